"""Balancers: reaching them, and the work done on them; start with ``transport.py``, then ``script``."""
