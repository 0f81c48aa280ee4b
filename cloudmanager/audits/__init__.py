"""Audits of aggregates: their rows, the packed snapshots of which plans are made, and planning apart."""
