"""Thousands of runs with nothing lost: a study is a plain description, its results a Zarr store.

The walk: `study` says what is to be run, `tasks` cuts it into numbered tasks, `task` runs one of them and commits it
to the `store`, `driver` keeps the workers of a `task_runner` busy, and `running` puts them together.
"""
