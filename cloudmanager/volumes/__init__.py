"""Volumes of Cinder's LVM backends: what Cinder knows of them, joined with LVM on the storage nodes."""
