"""What is known of a flow by algebra: first integrals, equilibria, stability along lines of them."""
