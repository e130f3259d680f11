# Two commands suffice on a machine with Python and make: `make quickstart` and `make test`.
# Everything is installed into $(VENV), with the versions that constraints.txt names.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OLDEST := $(VENV)-oldest

# One BLAS thread: results and timings then don't depend on how many cores the machine has.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

BENCHMARKS := $(patsubst benchmarks/%.py,benchmark-%,$(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)))

.PHONY: help install quickstart test test-kernels test-oldest lint format types doctest docs benchmarks $(BENCHMARKS) clean
.DEFAULT_GOAL := help

help:
	@echo "make quickstart    adapt digits of one collection to another; prints a table, draws a picture"
	@echo "make test          the test suite"
	@echo "make test-kernels  the numerical tests under other kernels of OpenBLAS than the processor's"
	@echo "make test-oldest   the contract with the oldest versions that setup.cfg promises"
	@echo "make lint          ruff: style and formatting"
	@echo "make format        let ruff format and repair"
	@echo "make types         mypy"
	@echo "make doctest       the examples in docstrings, README and guide"
	@echo "make docs          the documentation as HTML, into docs/_build/html"
	@echo "make benchmarks    every benchmark; those on published data need SKDTL_DATA"
	@echo "                   OPTIONS='--seeds 1' goes to the scripts, OPTIONS=--help tells which"
	@echo "$(foreach name,$(BENCHMARKS),\nmake $(name))" | sed 's/\\n/\n/g'

# The stamp makes an installation happen again only when what is installed has changed.
$(INSTALLED): pyproject.toml setup.cfg constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check \
		--constraint constraints.txt --editable ".[dev]"
	@touch $@

install: $(INSTALLED)

quickstart: $(INSTALLED)
	$(BIN)/python examples/quickstart.py

# Two processes with one thread each.
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

# What hangs on the order in which a processor adds up a product of matrices.
test-kernels: $(INSTALLED)
	$(BIN)/python .ci/kernels.py -- --quiet --numprocesses 2 --dist worksteal

# The oldest versions that setup.cfg promises, but for torch: old ones bring gigabytes of CUDA.
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest --numprocesses 2 --dist worksteal -m "not slow" \
		-p no:cacheprovider tests/test_base.py tests/test_contract.py tests/test_domains.py \
		tests/test_kernels.py tests/test_model_selection.py tests/test_sklearn_snippets.py

$(OLDEST)/.installed: setup.cfg constraints.txt .ci/oldest.py
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(PYTHON) .ci/oldest.py | grep -v '^torch==' > $(OLDEST)/constraints.txt
	grep '^torch==' constraints.txt >> $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install -qq --disable-pip-version-check \
		--constraint $(OLDEST)/constraints.txt --editable ".[all]" pandas pytest pytest-xdist
	@touch $@

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED)
	$(BIN)/mypy

doctest: $(INSTALLED)
	$(BIN)/python -m pytest --doctest-modules --doctest-glob='*.md' --doctest-glob='*.rst' \
		--numprocesses 2 skdtl docs/guide README.md

docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going --quiet -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

benchmarks: $(BENCHMARKS)

$(BENCHMARKS): benchmark-%: $(INSTALLED)
	$(BIN)/python benchmarks/$*.py $(OPTIONS)

clean:
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info docs/_build docs/reference/generated
