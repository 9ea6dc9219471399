"""Augmentations, one per file; each vanishes with its strength.

A file says how many uniform numbers in [−1, 1] it needs per image, ``UNIFORMS``, and offers one of

* ``warp(x, y, uniforms, strength, pixel)``: from output to input coordinates (geometry; `pixel` is the width of
  a pixel in these coordinates, whose origin is the centre of the image),
* ``change(pixels, uniforms, strength)``: new pixels (seeds, views, batch, channels, height, width),
* ``NORMAL = True``: `strength` times independent standard normal noise is added to every pixel.

`uniforms` is a list of tensors (seeds, views, batch, 1, 1).
"""
