"""A simulated OpenStack cloud: for each service a truth that knows nothing of HTTP, and a server that asks it."""
