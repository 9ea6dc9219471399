"""Additive Gaussian noise of standard deviation `strength` on every pixel: the exactly solvable augmentation.

With it alone, E[view | image] is the image and Σ_s = Σ_d + strength²·I.
"""

UNIFORMS = 0
NORMAL = True
