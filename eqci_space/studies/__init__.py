"""Many plans or many worlds: batches, sweeps, coverage."""
