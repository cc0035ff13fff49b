PYTHON ?= python3
BIN = .venv/bin

env:            ## make the environment with all extras
	$(PYTHON) -m venv .venv && $(BIN)/pip install -q -e ".[notebook,test,dev]"
run:            ## plan the shipped scenario
	$(BIN)/eqci run quant-gpicz --out out/quant-gpicz
test:           ## the test suite
	$(BIN)/pytest -q
static:         ## formatting, lint, types, floors
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
notebooks:      ## regenerate the notebooks from their sources
	for n in notebooks/*.py; do $(BIN)/jupytext --quiet --to ipynb "$$n"; done
check: test static

.PHONY: env run test static notebooks check
