"""Where events move: the only room that knows Kafka and Faust."""
