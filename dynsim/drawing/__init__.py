"""Drawing: one function per kind of Dataset; style, sizes and words in one place."""
