"""Reads messy delimited files and says what is in them; used by the api, ingest and the trainer."""
