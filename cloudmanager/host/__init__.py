"""The Host port: what is done in the operating systems of nodes, over SSH."""
