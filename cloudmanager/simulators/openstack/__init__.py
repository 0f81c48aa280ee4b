"""A simulated OpenStack cloud: for each service a truth without HTTP, and a server that asks it."""
