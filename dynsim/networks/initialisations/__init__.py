"""Initialisations, one per file: ``weight(shape, generator)`` and ``bias(size, inputs, generator)``, float64."""
