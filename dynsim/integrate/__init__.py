"""From a field to runs: one trajectory, ensembles, discrete optimisers."""
