"""The REST API: resources, actions on them, and the tasks that actions start."""
