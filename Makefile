# Needs Python 3.11 or newer, pip and make; everything else is installed into .venv.
PYTHON ?= python3
HOME_DIR ?= equity_home
BIN := .venv/bin
# One more than processors: servers and browsers let some tests wait; with two more each takes longer, and all do. In the order of tests/conftest.py: by the number of tests in a
# file, what takes longest would begin last.
PARALLEL = --numprocesses=$(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)') --dist=loadgroup --no-loadscope-reorder
STAMP := .venv/installed

.PHONY: setup run check docs test coverage mutants test-spark test-workers lock ui benchmark

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -c "from equity_pipeline.warehouse import project; project.compiled()"
	touch $@

run: setup
	$(BIN)/equity-pipeline demo --home $(HOME_DIR)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/lint_sql.py
	$(MAKE) --no-print-directory docs

# What mkdocs-material says of a MkDocs 2 to come is no warning about these pages.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test: setup
	$(BIN)/python -m pytest $(PARALLEL)

# What only runs past one machine need (pyspark alone is 480 MB) stays beside the rest, and only their tests see it.
.venv/%/installed: requirements-%.txt | setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target .venv/$* -r $<
	touch $@

# Lines and branches that the tests run; of what decides a number or a disclosure, or reads files, 95 % or it fails.
coverage: setup
	mkdir -p .coverage
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term
	$(BIN)/coverage report --fail-under=95 --show-missing \
		--include='equity_pipeline/domain/*,equity_pipeline/disclosure/*,equity_pipeline/adapters/*'

# Which small wrong changes of what decides a number or a disclosure no test sees; takes hours, `MUTANTS` names those of some modules.
MUTANTS ?= 'equity_pipeline.domain.*' 'equity_pipeline.disclosure.*'
mutants: setup
	$(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut results

test-spark: setup .venv/spark/installed
	PYTHONPATH=.venv/spark $(BIN)/python -m pytest --durations=0 tests/spark

test-workers: setup .venv/workers/installed
	PYTHONPATH=.venv/workers $(BIN)/python -m pytest tests/orchestration/test_workers.py

ui: setup
	$(BIN)/equity-pipeline ui --home $(HOME_DIR)

benchmark: setup
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/scale.py

LOCK := uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-header

lock: setup
	$(BIN)/$(LOCK) --group dev pyproject.toml -o requirements.txt
	# What the extras add to it.
	for extra in spark workers; do \
		$(BIN)/$(LOCK) --extra $$extra pyproject.toml -c requirements.txt --quiet -o requirements-$$extra.txt \
			$$(sed -n 's/^\([A-Za-z0-9._-]*\).*==.*/--no-emit-package \1/p' requirements.txt) && \
		sed -i '/^# The following packages were excluded/,$$d' requirements-$$extra.txt || exit 1; \
	done
