"""Checks of a configuration: findings, and the crossplane gate. A rule of our own is a module here."""
