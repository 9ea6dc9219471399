"""Data sets that ship inside packages, one per file: ``load() -> Images``. Nothing is ever downloaded."""
