"""Gradient-boosted decision trees on features of every modality."""
