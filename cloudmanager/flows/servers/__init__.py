"""Flows of one server: moving it, and making it run again."""
