"""Logistic regression on hand-made features of every modality."""
