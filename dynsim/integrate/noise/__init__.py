"""Gradient noise: the stochastic differential equation of minibatch descent, its paths, and the process itself."""
