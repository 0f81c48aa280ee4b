"""The balancer's planner: a snapshot of an aggregate in, a plan of few moves out. Pure functions, no I/O."""
