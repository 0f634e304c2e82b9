"""The public REST API: data sets, schemas, jobs, artifacts. Owns the api_* tables."""
