"""Discrete optimisers on a flow: one file per family, one line each in the table of the catalogue."""
