"""Guarding the servers of a node: locks, verification, and what a violation does."""
