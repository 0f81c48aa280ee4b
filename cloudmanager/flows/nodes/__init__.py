"""Flows in the operating systems of nodes, over the Host port."""
