"""Augmentations, one per file; each vanishes with its strength.

A file says how many uniform numbers in [−1, 1] it needs per image, ``UNIFORMS``, and offers one of

* ``move(turn, shift, uniforms, strength)``: geometry. Output pixel w = x + iy, in pixels from the centre, shows the
  input at turn·w + shift; complex tensors (seeds, views, batch) in, complex tensors out,
* ``change(pixels, uniforms, strength)``: changes pixels (seeds, views, batch, channels, height, width) in place,
* ``NORMAL = True``: `strength` times independent standard normal noise is added to every pixel.

`uniforms` is a list of tensors (seeds, views, batch).
"""
