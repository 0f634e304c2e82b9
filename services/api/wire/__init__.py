"""Bodies and query parameters of the REST API, by subject: for validation, and for its OpenAPI document."""
