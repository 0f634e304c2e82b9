"""The command line, and the runner of a whole platform on one machine."""
