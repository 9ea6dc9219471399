"""What several families of optimisers share."""
