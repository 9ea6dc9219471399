# Two commands do everything on a fresh machine with Python and git:
#   make figures   sets up and regenerates every figure into figures/
#   make test      sets up and runs all tests
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: setup system-packages figures test test-all mutation bench lint types docs clean
.DEFAULT_GOAL := figures

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("dynsim needs Python 3.11 or newer, found " + sys.version.split()[0] + "; try: make PYTHON=python3.12") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $(READY)
	@echo "environment: $(VENV)"

figures: $(READY)
	$(BIN)/dynsim plot --out figures
	@echo "figures: figures/"

# The explorer is tested in a real browser. Where none is installed, apt installs Chromium if it may.
system-packages:
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	  command -v apt-get >/dev/null || { echo "no Chromium and no apt-get: the browser tests will be skipped"; exit 0; }; \
	  if [ "$$(id -u)" = 0 ]; then run=; elif sudo -n true 2>/dev/null; then run="sudo -n"; else \
	    echo "no Chromium and no right to install it: the browser tests will be skipped"; exit 0; fi; \
	  $$run apt-get update -qq && $$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
	    || echo "Chromium could not be installed: the browser tests will be skipped"; }

test: $(READY) system-packages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile -m "not long"
	@echo "all tests passed"

# The second tier as well: what is long, in full; then other settings of the machine, and the whole first tier under all
# of them at once.
test-all: $(READY) system-packages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile
	$(BIN)/python tests/settings.py
	$(BIN)/python tests/settings.py everything --whole
	@echo "all tests passed, the long ones included, under every setting"

# Guards broken one at a time, a seeded sample of 300: which of them do the tests of their room miss? Hours on two cores;
# pieces of it: .venv/bin/python tests/mutation.py --part 1/10
mutation: $(READY)
	$(BIN)/python tests/mutation.py

# The short benchmarks, every figure beside its target; those against heyoka where it is installed.
bench: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# The documentation, as plain files in docs/_build.
docs: $(READY)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build
	@echo "documentation: docs/_build/index.html"

clean:
	rm -rf $(VENV) build dist docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
