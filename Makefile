PYTHON ?= python3
BIN = .venv/bin

env:            ## make the environment with all extras
	$(PYTHON) -m venv .venv && $(BIN)/pip install -q -e ".[notebook,test,dev]"
run:            ## plan the shipped scenario
	$(BIN)/eqci run quant-gpicz --out out/quant-gpicz --force
test:           ## the test suite
	$(BIN)/pytest -q
test-slow:      ## larger runs
	$(BIN)/pytest -q -m slow
verify-euroqci: ## plan and relay the largest shipped scenario, both recomputed independently: some ten minutes
	$(BIN)/python -c "import eqci_space as eq; print(eq.Study(eq.load_scenario('euroqci')).relay)"
mutants:        ## seeded faults: which of them does no test notice?
	$(BIN)/python -m tests.mutants --jobs 2
fuzz:           ## a hundred thousand mutations of a file of every reader: some hours
	$(BIN)/python tests/robustness/fuzz.py --inputs 100000
lowest:         ## the lowest direct versions in an environment of their own, and the main job on them
	$(PYTHON) -m tests.lowest
static:         ## formatting, lint, types, floors
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
docs:           ## the documentation, offline, warnings are errors
	$(BIN)/sphinx-build -W -q -b html docs out/docs
bench:          ## full-size benchmarks beside the peers; compare with --compare OLD NEW
	$(BIN)/pip install -q -e ".[bench]" && $(BIN)/python -m benchmarks all --json out/benchmarks.json
audit:          ## dependencies with known vulnerabilities; needs the package registry
	$(BIN)/python -m tests.audit
notebooks:      ## regenerate the notebooks from their sources
	for n in notebooks/*.py; do $(BIN)/jupytext --quiet --to ipynb "$$n"; done
check: test static

.PHONY: env run test test-slow verify-euroqci mutants fuzz lowest static docs bench audit notebooks check
