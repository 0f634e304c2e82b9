"""Callbacks a second and their latency; see __main__.py."""
