"""What several families of systems share."""
