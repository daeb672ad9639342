"""A real Kafka broker from Python wheels and jars: no Docker, no Maven, no system Java."""
