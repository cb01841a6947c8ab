"""Platforms that make the nodes of an environment; one package each."""
