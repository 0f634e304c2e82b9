"""Late fusion of an image, a text and a tabular branch."""
