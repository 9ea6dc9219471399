"""The commands: one file each, found by listing this folder.

Every file has a one-line docstring, ``configure(parser)`` and ``run(args)``, which returns the exit status.
Heavy imports stay inside ``run``, so that ``dynsim --help`` costs next to nothing.
"""
