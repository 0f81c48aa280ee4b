"""What tenants begin in the Compute portal; each flow acts in the project of its tenant, and nowhere else."""
