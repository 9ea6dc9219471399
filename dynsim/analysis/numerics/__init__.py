"""What is computed of a flow in numbers: outcome, basins, separatrices, continuation, time scales."""
