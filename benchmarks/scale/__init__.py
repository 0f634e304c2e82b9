"""A thousand trainers and ten thousand jobs on the real services, with containers that are only simulated; see ``__main__``."""
