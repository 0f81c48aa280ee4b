"""SSH as a client: connections that check the host's key and run commands bounded in time and output."""
