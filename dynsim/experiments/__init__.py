"""The experiments: one file each, found by listing this folder.

Every file has a one-line docstring, ``COST`` (seconds on one core), ``run(progress=None, **options)`` that
returns a Dataset with its provenance inside, and ``verdict(data)``, one sentence computed from the data.
``NEEDS`` names the extras it needs, if any. `progress`, where given, is called as
``progress(done, total, what)``.
"""
