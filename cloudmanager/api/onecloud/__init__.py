"""The OneCloud API: consoles of many clouds see servers of OpenStack through it, and log in to Keystone."""
