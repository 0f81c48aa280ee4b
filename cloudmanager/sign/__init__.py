"""Integrity of servers: what a server was when it was signed, and whether it still is that."""
