"""The figures: one file each, found by listing this folder.

Every file has a one-line docstring, ``EXPERIMENT`` (the experiment that feeds it), ``OPTIONS`` (what it asks
of it), ``SIZE`` in inches and ``draw(data, figure)``, which draws a Dataset on a Figure or SubFigure and
knows nothing of where the data came from.
"""
