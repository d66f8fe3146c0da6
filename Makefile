# The two commands of the README: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test pictures test-viewer faults test-crash test-recipes fuzz fuzz-web lint types install clean

install: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dicomnode needs Python 3.11 or later; this is " + sys.version.split()[0] + ": call make with PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/dicomnode demo

# One thread for each process: the threads of several would wait for each other by turning, at three times the cost
test: $(STAMP)
	OMP_NUM_THREADS=$(or $(OMP_NUM_THREADS),1) $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# KILLS=2000 ROUNDS=3 for the long table
faults: $(STAMP)
	$(BIN)/python -m tests.faults --kills $(or $(KILLS),200) --rounds $(or $(ROUNDS),1)

test-crash: $(STAMP)
	DICOMNODE_CRASH_FATES=10 $(BIN)/python -m pytest --timeout 0 tests/faults/test_crash_model.py $(PYTEST_ARGS)

# The viewer on Orthanc's studies too; PICTURES=folder keeps what was seen
test-viewer: $(STAMP)
	$(BIN)/dicomnode viewer install
	DICOMNODE_TEST_VIEWER=1 DICOMNODE_TEST_ARTEFACTS=$(PICTURES) $(BIN)/python -m pytest tests/viewer $(PYTEST_ARGS)

# The README's pictures of the pages, taken anew
pictures: $(STAMP)
	$(BIN)/python -m tests.browser.pictures

test-recipes: $(STAMP)
	DICOMNODE_TEST_RECIPES=1 $(BIN)/python -m pytest tests/unit/learning/test_published_recipes.py \
	  tests/unit/learning/test_published_exams.py tests/unit/learning/test_published_detectors.py $(PYTEST_ARGS)

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600)

fuzz-web: $(STAMP)
	DICOMNODE_FUZZ_EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/python -m pytest --timeout 0 tests/integration/test_web_schemathesis.py $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy -p dicomnode

clean:
	rm -rf $(VENV) build *.egg-info
