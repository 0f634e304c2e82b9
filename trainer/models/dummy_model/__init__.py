"""A model that always answers with the most frequent class."""
