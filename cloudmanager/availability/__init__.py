"""Availability storages: shared directories in which nodes show that they live, and how that is read."""
