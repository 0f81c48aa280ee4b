"""Flows on volumes of LVM backends."""
