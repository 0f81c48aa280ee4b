"""Maintenance windows: when they are open, for which hosts, what blocks them, and the flow of an opening."""
