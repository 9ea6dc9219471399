"""What can be known about a flow: one question per file."""
