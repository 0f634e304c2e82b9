"""The launcher service: runs each attempt of a job as a process or container and tells how it ended."""
