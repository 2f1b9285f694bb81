# Needs Python 3.11 or newer, pip and make; everything else is installed into .venv.
PYTHON ?= python3
HOME_DIR ?= equity_home
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: setup run test lock ui benchmark

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: setup
	$(BIN)/equity-pipeline demo --home $(HOME_DIR)

test: setup
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup

ui: setup
	$(BIN)/equity-pipeline ui --home $(HOME_DIR)

benchmark: setup
	$(BIN)/python benchmarks/run.py

lock: setup
	$(BIN)/uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-header \
		--group dev pyproject.toml -o requirements.txt
