"""The environment as one change: its applications, its balancers, and the way back for both."""
