"""The proof: a WebSocket handshake (RFC 6455), and what its answer means. Start with ``handshake.py``."""
