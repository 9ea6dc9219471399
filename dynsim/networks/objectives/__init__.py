"""Objectives, one per file.

``loss(experiment, predict, first, second, labels)`` returns one value per seed. `first` and `second` are the
features of the two branches, (seeds, dim, views, batch); `predict(features, targets)` applies the predictor;
``SLOTS`` names what fills the views: ``views`` random ones, or ``mean``, one random and the mean view x̄.
"""
