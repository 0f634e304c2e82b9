"""One process, one job: JobSpec in, artifacts and signed reports out, exit code. Imports contracts and tabular only."""
