"""Signed callbacks in; history and Server-Sent Events out. Owns the metrics_* tables."""
