"""Where the balancer learns what hosts and servers use."""
