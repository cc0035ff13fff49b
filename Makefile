PYTHON ?= python3
BIN = .venv/bin

env:            ## make the environment with all extras
	$(PYTHON) -m venv .venv && $(BIN)/pip install -q -e ".[notebook,test,dev]"
run:            ## plan the shipped scenario
	$(BIN)/eqci run quant-gpicz --out out/quant-gpicz
test:           ## the test suite
	$(BIN)/pytest -q
test-slow:      ## larger runs
	$(BIN)/pytest -q -m slow
static:         ## formatting, lint, types, floors
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
docs:           ## the documentation, offline, warnings are errors
	$(BIN)/sphinx-build -W -q -b html docs out/docs
bench:          ## full-size benchmarks beside the peers
	$(BIN)/pip install -q -e ".[bench]" && $(BIN)/python -m benchmarks
audit:          ## dependencies with known vulnerabilities
	$(BIN)/pip install -q pip-audit && $(BIN)/pip-audit
notebooks:      ## regenerate the notebooks from their sources
	for n in notebooks/*.py; do $(BIN)/jupytext --quiet --to ipynb "$$n"; done
check: test static

.PHONY: env run test test-slow static docs bench audit notebooks check
