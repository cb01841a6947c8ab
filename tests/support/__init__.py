"""Real parts for tests: NGINX nodes and WebSocket backends on loopback, ended by pid."""
