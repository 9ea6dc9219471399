"""Expressions and flows as text that reads back, as LaTeX, as one line for a terminal, and as Python source.

Every figure, notebook and command prints through here, so that a quantity has one face everywhere.
"""

from __future__ import annotations

import keyword
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from dynsim.errors import bad
from dynsim.names import LETTERS, VARIANCES, latex_name, unicode_name
from dynsim.symbolic.expectation import Expectation

__all__ = [
    "latex",
    "latex_name",
    "python_source",
    "text",
    "tidy",
    "unicode_name",
    "unicode_text",
]


_POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SIGNS = str.maketrans("*-", "·−")


def text(expression: Any) -> str:
    """Print an expression so that `parse` reads it back.

    Parameters
    ----------
    expression : sympy.Expr
        Any expression.

    Returns
    -------
    str
        ``parse(text(e)) == e`` for every `e` that `parse` returns and for its derivatives, symbols being matched
        by name. A ``Float`` prints as the shortest decimal of the same value and reads back as exactly that decimal.
        What `parse` has no word for (a ``Piecewise``) prints as SymPy prints it.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.printing import text
    >>> theta = sympy.Symbol("theta")
    >>> text(sympy.E * theta**2 / 3 + sympy.sqrt(theta))
    'sqrt(theta) + exp(1)*theta**2/3'
    """
    return str(_Text().doprint(sympy.sympify(expression, strict=True)))


def unicode_text(expression: Any) -> str:
    """Print an expression on one line with Greek letters and superscripts, for reading.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.printing import unicode_text
    >>> unicode_text(parse("theta^2 - phi^2/alpha + eta_p*sg(phi)"))
    'η_p·sg(φ) + θ² − φ²/α'
    """
    return str(_Unicode().doprint(sympy.sympify(expression, strict=True))).translate(_SIGNS)


def latex(expression: Any) -> str:
    r"""Print an expression, a matrix or an equation in LaTeX, without dollar signs.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.printing import latex
    >>> print(latex(parse("sigma2*phi*sg(theta)/eta_p")))
    \frac{\varphi \sigma^2 \operatorname{sg}\left(\theta\right)}{\eta_p}
    """
    return str(_Latex().doprint(sympy.sympify(expression, strict=True)))


class _Text(StrPrinter):
    def _print_Exp1(self, _: sympy.Expr) -> str:
        return "exp(1)"

    def _print_Float(self, number: sympy.Float) -> str:
        double = float(number)
        return repr(double) if sympy.Float(double) == number else str(super()._print_Float(number))


class _Unicode(_Text):
    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        return unicode_name(symbol.name)

    def _print_Pi(self, _: sympy.Expr) -> str:
        return LETTERS["pi"]

    def _print_Pow(self, power: sympy.Pow, rational: bool = False) -> str:
        if not (power.exp.is_Integer and power.exp > 1):
            return str(super()._print_Pow(power, rational)).replace("**", "^")
        base = self.parenthesize(power.base, PRECEDENCE["Pow"])
        if power.exp == 2 and base in map(LETTERS.get, VARIANCES.values()):
            base = f"({base})"  # σ² is the variance
        return base + str(power.exp).translate(_POWERS)

    def parenthesize(self, item: sympy.Basic, level: int, strict: bool = False) -> str:
        """Keep the square that belongs to the name σ² apart from a power of it."""
        printed = str(super().parenthesize(item, level, strict))
        return f"({printed})" if printed.endswith("²") and level >= PRECEDENCE["Pow"] else printed


class _Latex(LatexPrinter):
    def _print_Symbol(self, symbol: sympy.Symbol, style: str = "plain") -> str:
        return latex_name(symbol.name)

    def _print_Heaviside(self, step: sympy.Heaviside, exp: str | None = None) -> str:
        # SymPy's own θ(x) would read as the encoder times x
        power = f"^{{{exp}}}" if exp is not None else ""
        return rf"H{power}\left({self._print(step.args[0])}\right)"


_LARGEST = 400  # beyond this many operations factoring costs more than it gives


def tidy(expression: sympy.Expr) -> sympy.Expr:
    """Return the shortest of the expression, its factored form, and that with its signs inside the sums.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.printing import tidy
    >>> phi, theta = sympy.symbols("phi theta")
    >>> tidy(-theta*(phi*theta - theta))
    theta**2*(1 - phi)
    """
    if expression.count_ops() > _LARGEST:
        return expression
    factored = sympy.factor(expression)
    return min((_sign_inside(factored), factored, expression), key=lambda form: form.count_ops())


def _sign_inside(product: sympy.Expr) -> sympy.Expr:
    """−θ(φ − 1) as θ(1 − φ): the minus sign goes into the first sum that it shortens."""
    if not product.is_Mul or not product.could_extract_minus_sign():
        return product
    for factor in product.args:
        if factor.is_Add:
            return (-product / factor) * sympy.expand(-factor)
    return product


class _Source(NumPyPrinter):
    """NumPy's printer, with the functions that are kept in stable form."""

    def _print_softplus(self, expr: sympy.Expr) -> str:
        return f"numpy.logaddexp(0, {self._print(expr.args[0])})"

    def _print_sigmoid(self, expr: sympy.Expr) -> str:
        return f"numpy.exp(-numpy.logaddexp(0, {self._print(-expr.args[0])}))"

    def _print_logcosh(self, expr: sympy.Expr) -> str:
        x = expr.args[0]
        return f"(numpy.logaddexp({self._print(x)}, {self._print(-x)}) - numpy.log(2))"

    def _print_logsumexp(self, expr: sympy.Expr) -> str:
        return f"numpy.logaddexp.reduce([{', '.join(map(self._print, expr.args))}])"


def python_source(flow: Any) -> str:
    """Source of ``rhs(t, y, <parameters>)`` for SciPy's integrators; names that Python reserves get an underscore.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.symbolic.printing import python_source
    >>> print(python_source(dynsim.gradient_flow("lambda*w^2/2", ["w"])))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def rhs(t, y, lambda_):
        w, = y
        return np.array([-lambda_*w])
    """
    if flow.rhs.has(Expectation):
        advice = "integrate it with dynsim, whose quadrature is no formula"
        raise bad("flow", "averages by quadrature", "a flow whose averages are closed", advice)
    taken = {"t", "y", "np", "rhs"}
    safe: dict[sympy.Symbol, sympy.Symbol] = {}
    for name in (*flow.states, *flow.parameters):
        new = name
        while keyword.iskeyword(new) or new in taken or not new.isidentifier():
            new = f"{new}_" if new.isidentifier() or keyword.iskeyword(new) else f"x{len(safe)}"
        taken.add(new)
        safe[flow.symbols[name]] = sympy.Symbol(new)
    printer = _Source({"fully_qualified_modules": True, "allow_unknown_functions": True})
    entries = ", ".join(printer.doprint(entry.xreplace(safe)).replace("numpy.", "np.") for entry in flow.rhs)
    states = ", ".join(safe[flow.symbols[name]].name for name in flow.states) + ("," if len(flow.states) == 1 else "")
    arguments = ", ".join(["t", "y", *(safe[flow.symbols[name]].name for name in flow.parameters)])
    return f"import numpy as np\n\n\ndef rhs({arguments}):\n    {states} = y\n    return np.array([{entries}])"
