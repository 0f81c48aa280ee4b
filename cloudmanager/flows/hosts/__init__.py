"""Flows of hosts: emptying them, fencing them, restarting them."""
