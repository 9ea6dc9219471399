"""CPU time of ``dynsim --help`` against a bare interpreter, alternating; the ratio should stay below 4."""

import resource
import statistics
import subprocess
import sys

RUNS = 21


def cpu(*argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    help_command = ("-c", "import sys; from dynsim.cli import main; sys.exit(main(['--help']))")
    cpu(*help_command)  # writes the byte code
    bare, full = [], []
    for _ in range(RUNS):
        bare.append(cpu("-c", "pass"))
        full.append(cpu(*help_command))
    ratios = [b / a for a, b in zip(bare, full, strict=True)]
    print(f"python -c pass   median {1e3 * statistics.median(bare):6.1f} ms CPU")
    print(f"dynsim --help    median {1e3 * statistics.median(full):6.1f} ms CPU")
    print(f"ratio            median {statistics.median(ratios):6.2f}  (range {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
