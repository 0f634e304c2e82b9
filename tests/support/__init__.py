"""Real servers for tests: Redis, PostgreSQL, S3."""
