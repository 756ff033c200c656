# Two commands do everything from a fresh clone: `make demo` and `make test`.

PYTHON ?= python3
LOWEST_PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

TESTS := MPLBACKEND=Agg OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
ON_ALL_CORES := --numprocesses=auto --dist=worksteal
QUICK := -q -m 'not fuzz and not slow and not long' $(ON_ALL_CORES) tests

.PHONY: demo test test-slow test-quick coverage fuzz test-lowest lint claims bench docs release clean

demo: .venv/.demo
	$(BIN)/dlnflow demo --out demo-output

# one process for each core, and one thread in each
test: .venv/.dev
	$(TESTS) $(BIN)/python -m pytest -q $(ON_ALL_CORES)

# many repetitions of what `make test` checks once
test-slow: .venv/.dev
	$(TESTS) $(BIN)/python -m pytest -q -m slow $(ON_ALL_CORES) tests

# under a minute: no example of the pages, and no test that takes seconds
test-quick: .venv/.dev
	$(TESTS) $(BIN)/python -m pytest $(QUICK)

coverage: .venv/.dev
	$(TESTS) $(BIN)/python -m pytest -q -m 'not fuzz' $(ON_ALL_CORES) --cov

# the lowest supported versions, of Python too, in an environment of their own
test-lowest: .venv-lowest/.test
	$(TESTS) .venv-lowest/bin/python -m pytest -q $(ON_ALL_CORES)

# ten minutes of random calls of every public function
fuzz: .venv/.dev
	$(TESTS) $(BIN)/python -m pytest -q -m fuzz tests/test_fuzz.py

# exit 1 if a verdict or a number is not the recorded one
claims: .venv/.dev
	OMP_NUM_THREADS=1 $(BIN)/dlnflow claims

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.dev
	$(BIN)/python -m benchmarks

docs: .venv/.dev
	MPLBACKEND=Agg $(BIN)/python docs/_build/readme_figures.py docs/figures
	$(BIN)/dlnflow derive jepa mae layer-m --out docs/derivation.md
	$(BIN)/python docs/_build/claims_page.py

# build, check, install the wheel in a fresh environment, and run the quick tests on it there
release: .venv/.release
	rm -rf dist .venv-release
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv .venv-release
	echo '*' > .venv-release/.gitignore
	.venv-release/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt "$$(echo dist/*.whl)[test]"
	$(TESTS) .venv-release/bin/pytest $(QUICK)

clean:
	rm -rf .venv .venv-lowest .venv-release demo-output dist

.venv/.demo: pyproject.toml constraints.txt | .venv
	$(PIP) --editable '.[photos,stiff]'
	touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv
	$(PIP) --editable '.[dev]'
	touch $@ .venv/.demo

.venv/.release: pyproject.toml constraints.txt | .venv
	$(PIP) --editable '.[release]'
	touch $@

.venv-lowest/.test: pyproject.toml constraints-lowest.txt
	$(LOWEST_PYTHON) -m venv .venv-lowest
	echo '*' > .venv-lowest/.gitignore
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-lowest.txt --editable '.[test]'
	touch $@

.venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dlnflow needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
