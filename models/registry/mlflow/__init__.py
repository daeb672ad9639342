"""The registry in MLflow."""
