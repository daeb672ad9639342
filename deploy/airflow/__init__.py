"""The daily run as a DAG."""
