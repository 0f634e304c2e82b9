"""Predicts tables with trained models, in processes of the trainer that keep them loaded."""
