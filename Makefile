# The developer's guide: `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
FUZZ_CASES ?= 3000
FUZZ_SEED ?= 0
PAGE ?= notebooks/lab.py
NETWORKS ?= $(basename $(notdir $(wildcard models/weights/*.onnx)))

.DEFAULT_GOAL := help

help:  ## list what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.train: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train]'
	@touch $@

$(VENV)/.teach: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[teach]'
	@touch $@

demo: $(VENV)/.run  ## the main job: a trained network, five normalisations, metrics and figures in results/
	$(BIN)/brianize run normalization --jobs $(JOBS)

detect: $(VENV)/.run  ## a spiking detector: boxes around digits over time, mAP, in results/detection-quick
	$(BIN)/brianize run detection --quick --jobs $(JOBS)

look: $(VENV)/.run  ## figures of what happens inside the shipped ConvNet, in results/look
	$(BIN)/brianize look mnist_convnet

lab: $(VENV)/.teach  ## a page to move sliders and watch spikes, of this machine alone; PAGE=notebooks lists the lessons too
	$(BIN)/python notebooks/serve.py $(PAGE)

lessons: $(VENV)/.teach  ## the six lessons as pages to read, in notebooks/html
	for lesson in notebooks/lesson_*.py; do \
	    $(BIN)/marimo export html $$lesson --force --output notebooks/html/$$(basename $$lesson .py).html || exit 1; \
	done

test: $(VENV)/.run  ## the fast tests (minutes)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

test-slow: $(VENV)/.run  ## the long tests, on the real data where it is present
	$(BIN)/python -m pytest -q -m slow

fuzz: $(VENV)/.run  ## networks, studies and images that are wrong in some way: FUZZ_CASES of each, from FUZZ_SEED
	$(BIN)/python -m tests.fuzz --cases $(FUZZ_CASES) --seed $(FUZZ_SEED)

test-all: test-slow  ## the long tests, then the fast ones under each Python of 3.11, 3.12 and 3.13 that is there
	@for version in 3.11 3.12 3.13; do \
	    if python$$version --version >/dev/null 2>&1; then \
	        echo "Python $$version:"; \
	        $(MAKE) --no-print-directory test PYTHON=python$$version VENV=.venvs/$$version || exit 1; \
	    else \
	        echo "Python $$version: not there, skipped"; \
	    fi; \
	done

format: $(VENV)/.dev  ## format and sort the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(VENV)/.dev  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

train: $(VENV)/.run $(VENV)/.train  ## train the shipped networks again (PyTorch, MNIST, CIFAR-10)
	for name in $(NETWORKS); do $(BIN)/brianize train $$name || exit 1; done

bench: $(VENV)/.run  ## how fast: results/throughput
	$(BIN)/brianize bench

clean:  ## remove the environments and caches
	rm -rf $(VENV) .venvs .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info

.PHONY: help demo detect look lab lessons test test-slow test-all fuzz format check train bench clean
