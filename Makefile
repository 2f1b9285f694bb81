# Needs Python 3.11 or newer, pip and make; everything else is installed into .venv.
PYTHON ?= python3
HOME_DIR ?= equity_home
BIN := .venv/bin
STAMP := .venv/installed

# pyspark is 480 MB that nothing else needs: it stays beside .venv, and only `test-spark` sees it.
SPARK := .venv/spark

.PHONY: setup run test test-spark lock ui benchmark

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

$(SPARK)/installed: requirements-spark.txt | setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target $(SPARK) \
		-r requirements-spark.txt
	touch $@

test-spark: setup $(SPARK)/installed
	PYTHONPATH=$(SPARK) $(BIN)/python -m pytest --durations=0 tests/spark

ui: setup
	$(BIN)/equity-pipeline ui --home $(HOME_DIR)

benchmark: setup
	$(BIN)/python benchmarks/run.py

LOCK := uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-header

lock: setup
	$(BIN)/$(LOCK) --group dev pyproject.toml -o requirements.txt
	# What `.[spark]` adds to it.
	$(BIN)/$(LOCK) --extra spark pyproject.toml -c requirements.txt --quiet -o requirements-spark.txt \
		$$(sed -n 's/^\([A-Za-z0-9._-]*\).*==.*/--no-emit-package \1/p' requirements.txt)
	sed -i '/^# The following packages were excluded/,$$d' requirements-spark.txt
