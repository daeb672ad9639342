import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** Rides far from a fixed centre, exactly once. */
public class RideStream {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) {
    String events = arguments[1];
    String anomalies = arguments[2];
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(events, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .mapValues(RideStream::judge)
        .filter((key, anomaly) -> anomaly != null)
        .to(anomalies, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments));
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Properties settings(String[] arguments) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("application.id", arguments[3]);
    settings.put("state.dir", arguments[4]);
    settings.put("num.stream.threads", arguments[5]);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", "200");
    settings.put("auto.offset.reset", "earliest");
    settings.put("producer.compression.type", "lz4");
    settings.put("producer.linger.ms", "5");
    settings.put("consumer.max.poll.records", "2000");
    settings.put("consumer.fetch.max.bytes", "50000000");
    settings.put("consumer.max.partition.fetch.bytes", "4000000");
    return settings;
  }

  private static byte[] judge(byte[] event) {
    try {
      JsonNode ride = JSON.readTree(event);
      double x = (Math.log1p(Math.max(0, ride.get("distance_km").asDouble())) - 1.3) / 0.7;
      double y = (Math.log1p(Math.max(0, ride.get("duration_s").asDouble())) - 6.3) / 0.8;
      double score = x * x + y * y;
      if (score < 9.5) {
        return null;
      }
      ObjectNode anomaly = JSON.createObjectNode();
      anomaly.put("anomaly_id", ride.get("event_id").asText());
      anomaly.put("domain", "rides");
      anomaly.put("occurred_at", ride.get("occurred_at").asText());
      anomaly.put("score", score);
      return JSON.writeValueAsBytes(anomaly);
    } catch (java.io.IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
  }
}
