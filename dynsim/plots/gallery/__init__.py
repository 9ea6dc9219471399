"""From a figure's name to a figure, and to files."""
