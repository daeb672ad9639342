"""What a consumer group has committed, asked patiently: coordinators move, brokers restart."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition


def committed(bootstrap: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    """Return the committed offsets by partition, 0 where there is none or nobody answers."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 2})
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        found = consumer.committed(places, timeout=15)
    except KafkaException:
        return dict.fromkeys(range(partitions), 0)
    finally:
        consumer.close()
    return {place.partition: max(place.offset, 0) for place in found}


def wait_until_committed(
    bootstrap: str, group: str, topic: str, partitions: int, total: int, limit_s: float = 90
) -> None:
    """Wait until the committed offsets sum to `total`."""
    end = time.monotonic() + limit_s
    while sum(committed(bootstrap, group, topic, partitions).values()) < total:
        assert time.monotonic() < end, f"{total} records not committed within {limit_s} s"
        time.sleep(0.1)
