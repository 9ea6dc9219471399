"""Pages: a live view as one HTML file that needs no kernel and no network."""
