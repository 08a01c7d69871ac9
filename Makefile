# Two targets for newcomers: `make demo` and `make test`. The others are for those who change the code.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
LOCK   := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --upgrade
ARGS   ?=

# Hundreds of processes start in a run: what one has compiled, the next need not.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test acceptance check format api-fuzz benchmarks alerts restore chaos races day mutants eval fuzz bench lock clean

demo: $(READY) ## the whole product on this machine: no Docker, no keys, no network
	$(BIN)/fte demo $(ARGS)

test: $(DEV_READY) ## every check, and every test but the long ones below; eight minutes
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

acceptance: $(DEV_READY) ## the whole program, started as its users do, by hand, by compose and as pods, brokers to kill, and short races; some minutes
	$(BIN)/python -m pytest -n 4 --dist loadfile -m acceptance $(ARGS)

api-fuzz: $(DEV_READY) ## schemathesis on every route, with more requests than in the tests; some minutes
	FTE_TEST_API_EXAMPLES=$(or $(EXAMPLES),50) $(BIN)/python -m pytest tests/api/test_fuzz.py $(ARGS)

benchmarks: $(DEV_READY) ## every benchmark runs once, tiny, without a judgement; two minutes
	$(BIN)/python -m pytest -m benchmarks $(ARGS)

alerts: $(DEV_READY) ## a real Prometheus reads a running fte, something breaks, and the alert fires; two minutes
	$(BIN)/python -m pytest -m alerts $(ARGS)

restore: $(DEV_READY) ## a backup of a running fte is restored after more traffic: nobody is answered twice; over Kafka, too; some minutes
	$(BIN)/python -m pytest -m restore $(ARGS)

chaos: $(DEV_READY) ## everything breaks while customers write; some minutes, or make chaos MINUTES=30 SEED=123
	FTE_TEST_CHAOS_MINUTES=$(MINUTES) FTE_TEST_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest -m chaos -s $(ARGS)

races: $(DEV_READY) ## people, the agent and the sender race for conversations; make races RACES=10000 SEED=7
	$(BIN)/python -m tests.races --races $(or $(RACES),10000) $(if $(SEED),--seed $(SEED)) $(ARGS)

day: $(DEV_READY) ## a day's messages while something is killed every few seconds; make day SCALE=0.1 for a tenth of it
	FTE_TEST_DAY_SCALE=$(SCALE) FTE_TEST_DAY_SEED=$(SEED) $(BIN)/python -m tests.chaos.day

mutants: $(DEV_READY) ## plant every seeded bug and see its test fail; some minutes
	$(BIN)/python -m tests.mutants $(ARGS)

eval: $(READY) ## every case with the offline model, then with one that obeys every attack; two minutes
	FTE_MODEL=offline $(BIN)/fte eval $(ARGS)
	$(BIN)/fte eval --model worst-case --repeat 1

check: $(DEV_READY) ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(DEV_READY) ## damaged mails for as long as asked: make fuzz ARGS="600"
	$(BIN)/python -m tests.mail.fuzz $(ARGS)

bench: $(DEV_READY) ## our figures beside a floor measured in the same run
	$(BIN)/python -m benchmarks $(ARGS)

lock: $(DEV_READY) ## pin the newest versions the ranges in pyproject.toml allow
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --extra build -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "Installing into $(VENV); the first time this takes a minute or two."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

$(DEV_READY): $(READY) requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $(DEV_READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .kafka
