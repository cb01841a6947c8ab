"""Checks of a configuration: the crossplane gate, and one module per WebSocket rule."""
