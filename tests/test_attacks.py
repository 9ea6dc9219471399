"""Attempts to break in, to exhaust or to confuse: each is refused in one line, or harmless.

An attempt passes if it returns, or raises an error of ours of one readable line; whatever else it raises fails, a
warning included. The first tier makes every twelfth attempt, the second tier all of them.
"""

import os
import pickle
import zipfile

import numpy as np
import pytest
import sympy
import xarray as xr

import dynsim
from dynsim.cli import main
from dynsim.errors import DynsimError

START = {"phi": 0.6, "theta": 0.1}
LOSS = "(phi*theta - sg(theta))^2/2"
STATES = "phi, theta"

# fmt: off
TEXTS = [
    "(" * 10000, "phi" + ")" * 100, "-" * 20000 + "phi", "x" * 10**6, " " * 1000, "", "()", "_", "9" * 5000 + "*phi",
    "1e999999*phi", "phi*1e-400", "phi^phi^phi^phi^phi", "2^(10^9)*phi", "phi^(10^9)", "(phi+theta)^500", "phi!",
    "factorial(phi)", "рhi*theta", "phi\u200b*theta", "phi\u202e*theta", "phi\x00*theta", "phi\n*theta", "🙂*phi",
    "phi\u0301*theta", "phi²²", "٣*phi", "（phi）", "φ*phi", "ϑ*theta", "phi–theta", "__class__*phi", "phi.__class__",
    "phi[0]", "'a'*phi", "f'{phi}'", "# phi", "phi; theta", "import os", "None*phi", "lambda: phi", "{phi}", "\\phi",
    "sg()", "sg", "sg(sg(sg(phi)))", "sg(phi, theta)", "E()", "E(phi)", "E(E(E(E(phi))))", "var(phi)", "cov(phi)",
    "softmax(phi)", "softmax(" + ",".join(["phi"] * 1000) + ")", "logsumexp()", "min()", "max(phi)", "phi()",
    "phi(theta)", "phi=theta", "phi==theta", "phi<theta", "phi:=theta", "phi//theta", "phi***theta", "phi^", "^2",
    "1/0", "0^0*phi", "phi/0", "log(0)*phi", "sqrt(-1)*phi", "I*phi", "oo*phi", "nan*phi", "inf", "exp(10^10)*phi",
    "exp(exp(exp(exp(phi))))", "sin(phi)^100000", "heaviside(phi)^2", "acosh(phi)", "phi^theta", "1e5^1e5*phi", "t",
    "step*phi", "phi,theta", "phi theta", "2phi", "<script>alert(1)</script>", "$phi$", "0x10*phi", "1.2.3", "..",
    "+".join(f"a{i}*phi" for i in range(3000)), "sqrt(" * 300 + "phi" + ")" * 300, "sin(" * 60 + "phi" + ")" * 60,
]
# fmt: on
PHI = sympy.Symbol("phi")
# fmt: off
OBJECTS = [
    b"phi", 3, True, None, [], {}, ["phi"], object(), 1j, float("nan"), sympy.nan, sympy.oo, sympy.zoo, sympy.I * PHI,
    sympy.Matrix([PHI]), sympy.Integral(sympy.Symbol("x"), (sympy.Symbol("x"), 0, PHI)), PHI > 0, sympy.true,
    sympy.Sum(PHI ** sympy.Symbol("k"), (sympy.Symbol("k"), 0, sympy.oo)), sympy.Function("f")(PHI),
    sympy.Mod(PHI, 2), sympy.Piecewise((1, PHI > 0)), sympy.DiracDelta(PHI), sympy.Symbol("a b") * PHI,
    sympy.Symbol("") * PHI, PHI * sympy.Symbol("phi", positive=True), sympy.Dummy("phi"), sympy.floor(PHI),
    np.array([1.0, 2.0]), sympy.Symbol("phi", commutative=False) ** 2,
]
NAMES = [
    "", " ", "phi phi", "phi,phi", "phi,,theta", "t", "E", "time", "status", "sg", "1a", "a b", "phi;theta", "<b>",
    [], ["phi", "phi"], [1, 2], None, 5, ["phi theta"], ["φ", "phi"], ["phi", "theta", "unused"], ["__class__"],
    "phi\nx", [f"x{i}" for i in range(5000)], ["phi", None], "class, for", "lambda",
]
RANDOM = [
    "x ~ normal(0,-1)", "x ~ normal(0)", "x ~ evil(1)", "x ~", "~", "x", "x ~ normal(0,1", "x ~ normal(phi,1)", [], 5,
    "x ~ normal(x,1)", "x ~ uniform(1,0)", "x ~ discrete([1,2],[.5,.6])", "x ~ discrete([],[])", "phi ~ normal(0,1)",
    "t ~ normal(0,1)", "x ~ normal(0, 1e999)", "x ~ normal(oo,1)", "x ~ normal(0,1);import os", {"x": 1}, {"x": None},
    {1: dynsim.Normal(0, 1)}, {("x", "y"): dynsim.Normal(0, 1)}, {"x": dynsim.Normal}, "x ~ normal(0,1)" * 1000,
    "x ~ normal(0,1), x ~ normal(0,1)", ", ".join(f"x{i} ~ normal(0,1)" for i in range(400)),
]
NUMBERS = [
    float("nan"), float("inf"), 10**400, 1j, "a", None, "1/0", [1, 2], np.ma.masked, np.array(["a"]),
    np.array([None]), np.datetime64("2020"), True, sympy.nan, sympy.oo, sympy.Symbol("a"), b"1", {}, 1e308, 5e-324,
    "1e400", "phi", "٣", -1, 0, 1e-300, 1e300, "cosine(0,1)", np.array([1, 2, 3]), "__import__('os')",
]
# fmt: on
COUNTS = [0, -1, 1.5, 1e12, 10**20, "9", None, True]
# fmt: off
STARTS = [
    {"phi": 0.6}, {**START, "x": 1}, {}, [], [0.6], (0.6, 0.1), "phi=.6", None, 5, {**START, "φ": 0.5}, {1: 2},
    {"phi": np.zeros(3), "theta": np.zeros(4)}, {"phi": np.zeros(0), "theta": np.zeros(0)}, np.array([[0.6, 0.1]]),
]
SOURCES = [
    "", "../toy", "toy\n", "TOY", "toy;toy", None, 5, b"toy", [], {}, "a'=", "a'=b", "a'=a; b", "'=3", "a''=a", ";",
    "a'=a'", "a' = a" * 500,
]
COMMANDS = [
    "simulate toy --set alpha", "simulate toy --set =1", "simulate toy --set alpha=1,alpha=2", "simulate toy --set ,",
    "simulate toy --set alpha=1e999", "simulate toy --initial phi=.6", "simulate toy --initial phi", "derive -",
    "simulate toy --t-end -", "simulate toy --t-end 1e400", "simulate toy --states a", "derive toy toy", "nope",
    "--nope", "outcome toy --exact --initial phi=0.6,theta=1e-400", "outcome toy --initial phi=3/0",
    "bifurcate toy --over alpha", "outcome toy --initial phi=sqrt(-1)", "bifurcate toy --over alpha=1:1",
    "bifurcate toy --over alpha=a:b", "bifurcate toy --over nope=0:1", "plot nope", "plot article --set nope=1",
    "plot article --width -1", "plot article --dpi 1e9", "plot article --format exe", "plot article --size x",
    "methods nope", "claims nope", "methods vicreg --set mu=x", "features simsiam --views a.npy b.npy",
    "features nope --data digits", "list x", "train --steps -1", "train --seeds 0", "train --lr nan",
    "train --data /etc/passwd", "train --objective sq(z1", "train --objective sq(z9)", "compare --steps 0",
    "sweep run nope", "sweep status /etc/passwd", "optimise toy --lr 0", "simulate toy --field x'=y",
    "simulate --field x'=y", "simulate toy --rates phi", "simulate toy --decay nope=1", "simulate toy --track a=b",
    "simulate toy --roles encoder=zz", "simulate modes --set k=1000000", "diagnose", "simulate modes --set k=-1",
    "diagnose /dev/zero", "diagnose a.npy --set lr", "notebooks /dev/null",
]
# fmt: on
OUTPUTS = ["/", "/dev/full", "", "\x00.nc", "a" * 300 + ".nc", "no/x.nc", "x.exe", "pipe.nc", "loop"]


def attempts(folder):
    """Every attempt as what it is and a call."""
    paths = planted(folder)
    for text in [*TEXTS, *OBJECTS]:
        yield f"loss {text!r:.80}", lambda text=text: dynsim.gradient_flow(text, STATES)
    for names in NAMES:
        yield f"states {names!r:.80}", lambda names=names: dynsim.gradient_flow(LOSS, names)
    for random in RANDOM:
        loss = "E((phi*theta*x - sg(theta))^2)/2"
        yield f"random {random!r:.80}", lambda r=random, loss=loss: dynsim.gradient_flow(loss, STATES, random=r)
    flow = dynsim.gradient_flow(LOSS, STATES)
    for value in NUMBERS:
        start = {"phi": value, "theta": 0.1}
        yield f"solve from {value!r:.40}", lambda start=start: dynsim.solve(flow, start, 5)
        yield f"ensemble from {value!r:.40}", lambda start=start: dynsim.ensemble(flow, start, 5)
        yield f"outcome from {value!r:.40}", lambda start=start: dynsim.outcome(flow, start)
        yield f"α {value!r:.40}", lambda value=value: dynsim.solve("toy", START, 5, parameters={"alpha": value})
        yield f"t_end {value!r:.40}", lambda value=value: dynsim.ensemble(flow, START, value)
        yield f"lr {value!r:.40}", lambda value=value: dynsim.optimise(flow, START, 5, lr=value)
        yield f"rtol {value!r:.40}", lambda value=value: dynsim.solve(flow, START, 5, rtol=value)
        yield f"variance {value!r:.40}", lambda value=value: dynsim.Normal(0, value)
    for number in COUNTS:
        yield f"times {number!r}", lambda number=number: dynsim.ensemble(flow, START, 5, times=number)
        yield f"workers {number!r}", lambda number=number: dynsim.ensemble(flow, START, 5, workers=number)
        yield f"resolution {number!r}", lambda number=number: dynsim.portrait(flow, resolution=number)
        yield f"steps {number!r}", lambda number=number: dynsim.optimise(flow, START, number, lr=0.1, every=10**9)
    for start in STARTS:
        yield f"start {start!r:.40}", lambda start=start: dynsim.solve(flow, start, 5)
        yield f"starts {start!r:.40}", lambda start=start: dynsim.ensemble(flow, start, 5)
    for source in SOURCES:
        yield f"source {source!r:.40}", lambda source=source: dynsim.solve(source, {"a": 1.0}, 2)
        yield f"figure {source!r:.40}", lambda source=source: dynsim.plot(source)
        yield f"method {source!r:.40}", lambda source=source: dynsim.method(source)
        yield f"claim {source!r:.40}", lambda source=source: dynsim.claim(source)
    for line in COMMANDS:
        yield f"dynsim {line}", lambda line=line: command(line.split())
    for out in OUTPUTS:
        yield f"simulate --out {out!r:.40}", lambda out=out: command(["simulate", "toy", "--t-end", "1", "--out", out])
        yield f"explore --html {out!r:.40}", lambda out=out: command(["explore", "toy", "--html", out])
    for path in paths:
        yield f"draw {path!r:.60}", lambda path=path: dynsim.draw(path)
        yield f"diagnose {path!r:.60}", lambda path=path: command(["diagnose", path])
        yield f"study {path!r:.60}", lambda path=path: dynsim.run_study(path)
        yield f"status {path!r:.60}", lambda path=path: command(["sweep", "status", path])


def command(words):
    try:
        return main(words)
    except SystemExit as error:  # what argparse refuses
        status = error.code
    assert status in (0, 2), words
    return status


class Evil:
    """What sets a trap when it is unpickled."""

    def __init__(self, trap):
        self.trap = trap

    def __reduce__(self):
        return os.mkdir, (str(self.trap),)


def planted(folder):
    """Write hostile files; return their paths, and paths that are none."""
    evil = Evil(folder / "trap")
    np.save(folder / "evil.npy", np.array([evil], dtype=object), allow_pickle=True)
    (folder / "evil.pt").write_bytes(pickle.dumps(evil))
    for name, header in {
        "bomb": b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
        "negative": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-5, 3), }",
        "code": b"__import__('os').mkdir('trap')",
    }.items():
        magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
        (folder / f"{name}.npy").write_bytes(magic + header)
    with zipfile.ZipFile(folder / "zip.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../a.npy", b"\0" * 10**6)
    (folder / "text.npy").write_text("hello")
    (folder / "signature.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 500)
    (folder / "deep.json").write_text("[" * 100000)
    (folder / "deep.toml").write_text("a=" + "[" * 100000)
    (folder / "many.json").write_text('{"system":"toy","axes":{"alpha":{"linspace":[0,1,1e18]}},"t_end":5}')
    (folder / "bytes.json").write_bytes(b"\x00\xff\xfe")
    (folder / "folder.npy").mkdir()
    os.symlink(folder / "loop", folder / "loop")
    for suffix in ("npy", "nc", "json"):
        os.mkfifo(folder / f"pipe.{suffix}")
    run = dynsim.solve(dynsim.gradient_flow(LOSS, STATES), START, 5)
    whole = bytes(run.to_netcdf(engine="h5netcdf"))
    (folder / "cut.nc").write_bytes(whole[: len(whole) // 2])
    for place in range(0, len(whole), len(whole) // 8):
        (folder / f"damaged-{place}.nc").write_bytes(whole[:place] + b"\xff" * 16 + whole[place + 16 :])
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(folder / "other.nc", engine="h5netcdf")
    run.assign_attrs(kind="ensemble").to_netcdf(folder / "kind.nc", engine="h5netcdf")
    run.drop_vars("theta").to_netcdf(folder / "less.nc", engine="h5netcdf")
    run.assign_attrs(dict.fromkeys(run.attrs, "{" * 1000)).to_netcdf(folder / "attributes.nc", engine="h5netcdf")
    nowhere = [
        "/dev/zero",
        "/dev/null",
        "/",
        "",
        "\x00",
        "a" * 5000,
        "~nobody/x",
        "file:///etc/passwd",
        "-",
        "run.nc\n",
    ]
    return [*sorted(str(path) for path in folder.iterdir()), *nowhere]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs a system with pipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder, stride, attempt):
    made = 0
    for index, (told, call) in enumerate(attempts(folder)):
        if index % stride == 0:
            attempt(call, told)
            made += 1
    assert not (folder / "trap").exists()
    assert not (folder / "nul").exists()
    return made


def test_every_twelfth_attempt(folder, capsys, attempt):
    assert make(folder, 12, attempt) > 53


@pytest.mark.long
def test_every_attempt(folder, capsys, attempt):
    assert make(folder, 1, attempt) > 640


def test_what_is_not_ours_is_noticed(attempt):
    with pytest.raises(AssertionError, match="plain: ZeroDivisionError"):
        attempt(lambda: 1 / 0, "plain")
    with pytest.raises(AssertionError):
        attempt(lambda: (_ for _ in ()).throw(DynsimError("two\nlines")), "lines")
