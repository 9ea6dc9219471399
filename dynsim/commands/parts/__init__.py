"""What several commands share: their options, and how results are written."""
