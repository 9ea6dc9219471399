"""Elementary functions on lanes: exp, log, sin and cos by polynomials, the others through these or the C library.

The polynomials are those of fdlibm (Sun Microsystems, 1993), that of the exponential is Chebyshev's interpolation:
errors of one or two units in the last place, infinities, NaN and denormals as in the C library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dynsim.integrate.engine.lanes import Lanes

__all__ = ["FROM_LIBRARY", "FUNCTIONS", "log", "power", "sine_and_cosine"]

_ROUND = 1.5 * 2.0**52  # adding it moves a small number's integer part into the last bits
_EXPONENT = 52
_BIAS = 1023

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# (e^r − 1 − r)/r² interpolated at Chebyshev's points of |r| ≤ ½ ln 2; times r² the error is below 2e-17.
_EXP = [
    5.000000000000001e-01,
    1.6666666666666669e-01,
    4.166666666662399e-02,
    8.333333333330051e-03,
    1.3888888917281794e-03,
    1.9841269863105968e-04,
    2.480152119021773e-05,
    2.7557268378684192e-06,
    2.7620138719733994e-07,
    2.5100424157005067e-08,
]
_LOG = [
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
]
_PI_2 = (1.57079632673412561417e0, 6.07710050630396597660e-11, 2.02226624871116645580e-21)  # 33 bits each
_TRUSTED = 1e5  # beyond it the reduction by π/2 loses digits
_SIN = [
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
]
_COS = [
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
]


def exp(v: Lanes, x: Any) -> Any:
    """e^x = 2^n·e^r with |r| ≤ ½ ln 2."""
    shifted, rest = _halved(v, _clipped(v, x, -750.0, 711.0), _ROUND)
    power = v.builder.sub(v.bits(shifted), v.bits(v.const(_ROUND)))
    half = v.builder.ashr(power, v.integers(1))  # in two factors, for results that overflow or are denormal
    result = v.mul(v.add(v.const(1.0), rest), _power_of_two(v, half))
    return v.mul(result, _power_of_two(v, v.builder.sub(power, half)))


def _clipped(v: Lanes, x: Any, low: float, high: float) -> Any:
    """`x` between two bounds; NaN stays."""
    x = v.select(v.less(v.const(high), x), v.const(high), x)
    return v.select(v.less(x, v.const(low)), v.const(low), x)


def _halved(v: Lanes, x: Any, origin: float) -> tuple[Any, Any]:
    """`origin` + n, exactly, and e^r − 1, where x = n ln 2 + r with |r| ≤ ½ ln 2."""
    shifted = v.builder.fadd(v.builder.fmul(x, v.const(1 / math.log(2))), v.const(origin))
    n = v.builder.fsub(shifted, v.const(origin))
    r = v.sub(v.sub(x, v.scale(n, _LN2_HIGH)), v.scale(n, _LN2_LOW))
    return shifted, v.add(r, v.mul(v.mul(r, r), v.polynomial(r, _EXP)))


def _moderate(v: Lanes, x: Any) -> tuple[Any, Any]:
    """2^n and e^r − 1, whose e^x = 2^n·e^r is neither denormal nor, but for n = 1024, infinite."""
    shifted, rest = _halved(v, x, _ROUND + _BIAS)
    return v.from_bits(v.builder.shl(v.bits(shifted), v.integers(_EXPONENT))), rest


def _power_of_two(v: Lanes, n: Any) -> Any:
    return v.from_bits(v.builder.shl(v.builder.add(n, v.integers(_BIAS)), v.integers(_EXPONENT)))


def log(v: Lanes, x: Any) -> Any:
    """Ln x = n ln 2 + ln m with √½ ≤ m < √2."""
    tiny = v.less(x, v.const(2.0**-1022))
    scaled = v.select(tiny, v.scale(x, 2.0**54), x)
    # Counting from √½ instead of 1 puts the mantissa into [√½, √2).
    offset = v.builder.sub(v.bits(scaled), v.bits(v.const(math.sqrt(0.5))))
    n = v.builder.ashr(offset, v.integers(_EXPONENT))
    m = v.from_bits(v.builder.sub(v.bits(scaled), v.builder.shl(n, v.integers(_EXPONENT))))
    n_real = v.builder.fsub(
        v.from_bits(v.builder.add(n, v.bits(v.const(_ROUND)))), v.select(tiny, v.const(_ROUND + 54), v.const(_ROUND))
    )
    f = v.builder.fsub(m, v.const(1.0))
    s = v.div(f, v.add(f, v.const(2.0)))
    z = v.mul(s, s)
    series = v.mul(z, v.polynomial(z, _LOG))
    half_square = v.scale(v.mul(f, f), 0.5)
    low = v.add(v.mul(s, v.add(half_square, series)), v.scale(n_real, _LN2_LOW))
    result = v.sub(v.scale(n_real, _LN2_HIGH), v.sub(v.sub(half_square, low), f))
    result = v.select(v.less(x, v.const(math.inf)), result, x)  # ∞ and NaN
    result = v.select(v.equal(x, v.const(0.0)), v.const(-math.inf), result)
    return v.select(v.less(x, v.const(0.0)), v.const(math.nan), result)


def tanh(v: Lanes, x: Any) -> Any:
    """m/(m + 2) of m = e^{2|x|} − 1 = 2^n·(e^r − 1) + (2^n − 1), with the sign of x; 40 is beyond where it is 1."""
    size = v.abs(x)
    double = v.add(size, size)
    factor, rest = _moderate(v, v.select(v.less(v.const(40.0), double), v.const(40.0), double))
    m = v.add(v.mul(factor, rest), v.sub(factor, v.const(1.0)))
    return v.with_sign(v.div(m, v.add(m, v.const(2.0))), x)


def sin(v: Lanes, x: Any) -> Any:
    """Sine."""
    return _circular(v, x, 0, "sin")


def cos(v: Lanes, x: Any) -> Any:
    """Cosine: the sine a quarter turn later."""
    return _circular(v, x, 1, "cos")


def _circular(v: Lanes, x: Any, quarter: int, name: str) -> Any:
    """Reduce to |r| ≤ π/4 and take sine or cosine of that; huge arguments go to the C library."""
    value = _turned(v, *_reduced(v, x), quarter)
    huge = v.less(v.const(_TRUSTED), v.abs(x))
    return v.rarely(huge, value, lambda: v.library(name, x))


def sine_and_cosine(v: Lanes, x: Any) -> tuple[Any, Any]:
    """Both at once, of arguments that are not huge."""
    reduced = _reduced(v, x)
    return _turned(v, *reduced, 0), _turned(v, *reduced, 1)


def _reduced(v: Lanes, x: Any) -> tuple[Any, Any, Any]:
    """Number of quarter turns, as bits, and sine and cosine of what is left of x."""
    shifted = v.builder.fadd(v.builder.fmul(x, v.const(2 / math.pi)), v.const(_ROUND))
    n = v.builder.fsub(shifted, v.const(_ROUND))
    r = x
    for part in _PI_2:
        r = v.sub(r, v.scale(n, part))
    z = v.mul(r, r)
    sine = v.add(r, v.mul(v.mul(r, z), v.polynomial(z, _SIN)))
    cosine = v.add(v.sub(v.const(1.0), v.scale(z, 0.5)), v.mul(v.mul(z, z), v.polynomial(z, _COS)))
    return v.bits(shifted), sine, cosine


def _turned(v: Lanes, bits: Any, sine: Any, cosine: Any, quarter: int) -> Any:
    turn = v.builder.add(bits, v.integers(quarter))
    odd, second = (v.builder.icmp_signed("!=", v.builder.and_(turn, v.integers(bit)), v.integers(0)) for bit in (1, 2))
    value = v.select(odd, cosine, sine)
    return v.select(second, v.neg(value), value)


def tan(v: Lanes, x: Any) -> Any:
    """Tangent."""
    return v.div(sin(v, x), cos(v, x))


def cosh(v: Lanes, x: Any) -> Any:
    """Hyperbolic cosine; the halved exponent postpones the overflow."""
    root = exp(v, v.scale(v.abs(x), 0.5))
    return v.add(v.mul(v.scale(root, 0.5), root), v.div(v.div(v.const(0.5), root), root))


def sign(v: Lanes, x: Any) -> Any:
    """−1, 0 or 1."""
    zero = v.const(0.0)
    below = v.select(v.less(x, zero), v.const(-1.0), v.scale(x, 0.0))
    return v.select(v.less(zero, x), v.const(1.0), below)


def heaviside(v: Lanes, x: Any, at_zero: Any) -> Any:
    """Unit step with the given value at 0."""
    zero = v.const(0.0)
    below = v.select(v.less(x, zero), zero, v.add(x, at_zero))  # x is 0 here, or NaN
    return v.select(v.less(zero, x), v.const(1.0), below)


def log1p(v: Lanes, x: Any) -> Any:
    """ln(1 + x) for x ≥ 0, the rounding of 1 + x undone."""
    one = v.const(1.0)
    total = v.builder.fadd(one, x)
    kept = v.builder.fsub(total, one)  # what of x is in the total
    return v.select(v.equal(total, one), x, v.mul(log(v, total), v.div(x, kept)))


def softplus(v: Lanes, x: Any) -> Any:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|)."""
    return v.add(v.maximum(x, v.const(0.0)), log1p(v, exp(v, v.neg(v.abs(x)))))


def sigmoid(v: Lanes, x: Any) -> Any:
    """1/(1 + e^−x); 0 where it is denormal."""
    factor, rest = _moderate(v, _clipped(v, v.neg(x), -700.0, 710.0))
    return v.div(v.const(1.0), v.add(v.const(1.0), v.mul(factor, v.add(v.const(1.0), rest))))


def logcosh(v: Lanes, x: Any) -> Any:
    """Ln cosh x, through tanh(x/2) near 0, where it is x²/2, and as |x| + ln(1 + e^−2|x|) − ln 2 elsewhere."""
    size = v.abs(x)
    half = tanh(v, v.scale(size, 0.5))
    square = v.mul(half, half)
    near = log1p(v, v.div(v.add(square, square), v.sub(v.const(1.0), square)))
    tail = log1p(v, exp(v, v.scale(size, -2.0)))
    far = v.sub(v.add(size, tail), v.const(math.log(2)))
    return v.select(v.less(size, v.const(1.0)), near, far)


def logsumexp(v: Lanes, *x: Any) -> Any:
    """Ln Σ e^x, of differences from the largest."""
    largest = x[0]
    for other in x[1:]:
        largest = v.maximum(other, largest)
    total = exp(v, v.sub(x[0], largest))
    for other in x[1:]:
        total = v.add(total, exp(v, v.sub(other, largest)))
    return v.add(largest, log(v, total))


def power(v: Lanes, base: Any, exponent: int) -> Any:
    """Integer power by repeated squaring."""
    if exponent < 0:
        return v.div(v.const(1.0), power(v, base, -exponent))
    result = None
    while exponent:
        if exponent & 1:
            result = base if result is None else v.mul(result, base)
        exponent >>= 1
        if exponent:
            base = v.mul(base, base)
    return v.const(1.0) if result is None else result


FROM_LIBRARY = (
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos"),
    *("erf", "erfc", "lgamma", "pow", "sin", "sinh", "tgamma"),
)
_NAMES = {"gamma": "tgamma", "loggamma": "lgamma"}  # where SymPy's name is another
_REST = (
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh"),
    *("erf", "erfc", "gamma", "loggamma", "sinh"),
)


def _library(name: str) -> Callable[..., Any]:
    return lambda v, *arguments: v.library(name, *arguments)


_SIMPLE: dict[str, Callable[..., Any]] = {
    "exp": exp,
    "log": log,
    "tanh": tanh,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "cosh": cosh,
    "sign": sign,
    "Heaviside": heaviside,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "logcosh": logcosh,
    "logsumexp": logsumexp,
    "Abs": Lanes.abs,
    "floor": Lanes.floor,
}

FUNCTIONS: dict[str, Callable[..., Any]] = _SIMPLE | {name: _library(_NAMES.get(name, name)) for name in _REST}
"""By SymPy's name: ``function(lanes, *vectors)`` emits the call."""
