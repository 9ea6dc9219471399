"""The systems: one file per family, found by listing this folder."""
