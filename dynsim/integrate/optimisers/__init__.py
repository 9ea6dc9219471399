"""Discrete optimisers on a flow: one file per family, found by listing this folder."""
