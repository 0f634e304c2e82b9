"""Celery workers that take an upload in: schema detection and staging, independent of each other."""
