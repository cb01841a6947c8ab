"""Nodes over SSH: paramiko, with settings and keys as OpenSSH has them; start with ``transport.py``."""
