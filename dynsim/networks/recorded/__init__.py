"""What training records, one file per measure, named like it: ``record(snapshot) -> {variable: tensor (seeds,)}``.

A measure that makes no sense for a network (labels missing, predictor not linear) returns an empty mapping.
"""
