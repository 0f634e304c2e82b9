"""Hostile inputs with the answers they get: the cases behind docs/hostile-inputs.md, which test_hostile_inputs.py holds to them.

`PYTHONPATH=.:tests python -m support.hostile --write` writes the page anew.
"""
