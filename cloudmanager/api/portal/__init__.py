"""The Compute portal: what tenants do with their own, by tokens of Keycloak, at /api/cloud/compute."""
