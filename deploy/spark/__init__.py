"""Training tables over more transactions than memory holds: a Spark job, here or in AWS Glue."""
