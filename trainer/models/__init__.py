"""The models a job can name: one folder each, with params.py (typed parameters) and train.py (``train(params)``)."""
