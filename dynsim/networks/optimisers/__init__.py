"""Optimisers, one per file: ``step(blocks, lr, experiment)`` moves the weights of every block in place.

A block has its own learning-rate ratio and weight decay; with ``lr·block.rate`` as learning rate and
``block.decay / block.rate`` as weight decay every optimiser here equals torch's.
"""
