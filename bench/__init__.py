"""What is measured, and how: `make bench`. Nothing here passes or fails."""
