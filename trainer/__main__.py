"""``python -m trainer``."""

from trainer.main import run

run()
