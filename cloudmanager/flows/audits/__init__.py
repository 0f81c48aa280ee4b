"""Balancing an aggregate: looking at it, planning, and carrying the plan out by moves of servers."""
