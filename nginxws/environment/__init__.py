"""The environment around the balancers: what it is to be, and what would change. Pure."""
