"""Accuracy and cost of this project's models beside a strong scikit-learn reference; see ``__main__``."""
