"""nginxws puts WebSocket routes on NGINX balancers: live and proved, or as it was."""

__version__ = "0.1.0"
