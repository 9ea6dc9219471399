"""Predictors, one family per file: ``build(experiment, features, outputs) -> Part``."""
