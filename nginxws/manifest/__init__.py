"""``nginxws.toml``: the nodes and routes that a team wants. Text in, text out; start with ``model.py``."""
