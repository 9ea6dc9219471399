"""Encoders, one family per file: ``build(experiment, image_shape) -> Part``."""
