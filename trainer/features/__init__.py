"""Features for models that learn from a plain matrix: fitted on training rows, saved as JSON and arrays."""
