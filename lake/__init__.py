"""What rests: tables on S3, the sink's configuration, compaction, jobs over history."""
