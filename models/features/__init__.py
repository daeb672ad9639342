"""Features: what an event is judged by. One definition for stream, training and service."""
