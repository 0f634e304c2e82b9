"""Wire formats shared by every room: events, job spec, callback, data set schema. Standard library and pydantic only."""
