"""An example of a model from outside the trainer: each class is the mean of its training rows."""
