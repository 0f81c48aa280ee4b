"""The monitor: watches the power state of the fleet with sessions that are kept open."""
