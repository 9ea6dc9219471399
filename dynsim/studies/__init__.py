"""Thousands of runs with nothing lost: a study is a plain description, its results a Zarr store.

The walk: `study` says what is to be run, `tasks` cuts it into numbered tasks, `work` does one of them and commits it
to the `store`, `driver` keeps a `crew` of workers fed, and `running` puts them together.
"""
