"""Objectives, one per file.

``loss(experiment, predict, first, second, labels)`` returns one value per seed. `first` and `second` are the
features of the two branches, (seeds, dim, views, batch); `predict(features, targets)` applies the predictor;
``SLOTS`` says what fills the views: ``pair``, two random ones; ``views``, the experiment's number of them;
``mean``, one and the mean view x̄; ``labels``, one, with its label. ``quadratic(experiment)``, if there, says
whether a linear network's loss knows the data by second moments only. An objective that never looks at `second` is
also named in ``validation.ONE_BRANCH``.
"""
