"""What several figures share: colours, captions, axes, pieces of drawing."""
