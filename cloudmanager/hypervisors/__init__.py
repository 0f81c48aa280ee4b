"""The hypervisors that Nova knows, kept in the inventory: what differs, and bringing it in line."""
