"""Steps of noisy paths per second, by scheme and kind of increment, on one core.

python benchmarks/noise.py
"""

import time

import dynsim

LOSS = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
SEEDS, STEPS = 8192, 100


def main() -> None:
    """Print a table."""
    noisy = dynsim.noisy_flow(LOSS, "phi, theta", random=VIEWS, decay={"phi": "eta", "theta": "eta"})
    values = {"sigma2": 0.1, "eta": 0.1, "h": 0.05, "B": 8}
    start = {"phi": 0.7, "theta": 0.7}
    cases = [
        ("euler-maruyama", "two-point"),
        ("euler-maruyama", "three-point"),
        ("euler-maruyama", "normal"),
        ("weak-2", "three-point"),
        ("weak-2", "normal"),
        ("minibatch", None),
    ]
    print(f"{'method':16} {'increments':12} {'million steps of a path per second':>36}")
    for method, increments in cases:
        options = {"parameters": values, "seeds": SEEDS, "method": method, "increments": increments, "workers": 1}
        dynsim.ensemble(noisy, start, 0.1, **options)
        best = float("inf")
        for _ in range(3):
            begin = time.perf_counter()
            dynsim.ensemble(noisy, start, STEPS * values["h"], **options)
            best = min(best, time.perf_counter() - begin)
        print(f"{method:16} {increments or '':12} {SEEDS * STEPS / best / 1e6:36.2f}")


if __name__ == "__main__":
    main()
