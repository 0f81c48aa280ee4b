"""The Cloud port: what flows ask of OpenStack, in our words."""
