"""What the function in machine code is called and takes: kernel and caller agree on it here."""

from __future__ import annotations

from dynsim.integrate.engine.lanes import DOUBLE, I64, POINTER

__all__ = ["ENTRY", "SIGNATURE"]

ENTRY = "run"
SIGNATURE = (
    ("count", I64),  # members
    ("y0", POINTER),  # starts: y0[state · y0_stride + member]
    ("y0_stride", I64),
    ("parameters", POINTER),  # one pointer per parameter …
    ("parameter_strides", POINTER),  # … and 0 where all members share its value, else 8 bytes
    ("times", POINTER),  # increasing, then at least `width` times ∞
    ("n_times", I64),
    ("rtol", DOUBLE),
    ("atol", DOUBLE),
    ("step_limit", DOUBLE),
    ("out", POINTER),  # out[row · out_stride + member · n_times + time], prefilled with NaN; rows: states, observables
    ("out_stride", I64),
    ("status", POINTER),  # int8
    ("steps", POINTER),  # int32
)
