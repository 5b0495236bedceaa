# Two commands on a fresh machine do everything: `make run` and `make test`. Each sets up what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export UV_COMPILE_BYTECODE := 1
# As pip does: behind a proxy, the machine's certificates and not only uv's own.
export UV_SYSTEM_CERTS ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= 3
# Where this is set, each of the many processes of a run or of the tests compiles the library anew.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
READY := $(VENV)/.ready
JAX := .venv-jax
TORCH ?= python3
WORKERS ?= 2
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
SOURCE ?=
OUT ?= build/run
export REGISTRY ?=
export TAG ?= dev
export BASE_IMAGE ?= python:3.11-slim-bookworm
export TRAINER ?= gpu

.PHONY: help setup run reproduce test test-long test-containers in-docker test-cluster lint compile images push base-image bench bench-gpu lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything that is needed

$(READY): requirements/uv.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "make: $(PYTHON) must be Python 3.11 (the versions are pinned for it); try: make PYTHON=python3.11" >&2; exit 1; }
	@echo "setting up $(VENV) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

run: setup ## train, explain and submit on the sample, or on SOURCE=/my/yt8m/frame
	@$(BIN)/python pipeline.py run --output $(OUT) $(if $(SOURCE),--source $(SOURCE))

reproduce: setup ## run the paper's experiments on the sample, into build/paper
	@$(BIN)/yt8m reproduce --scale sample -o build/paper

test: setup ## run the tests (WORKERS=2 beside each other)
	@$(BIN)/python -m pytest $(SPREAD)

test-long: setup ## run the long sweeps (tests/**/long_*.py), and kill commands 100 times each
	@$(BIN)/python -m pytest $(SPREAD) --kills 100 -o python_files="long_*.py test_kill*.py"

$(JAX)/.ready: requirements/trainer-jax.txt $(READY)
	@$(PYTHON) -m venv --clear $(JAX)
	@$(UV) pip install --quiet --python $(JAX)/bin/python --require-hashes -r requirements/trainer-jax.txt
	@touch $@

test-containers: setup ## run the pipeline in images built here from Debian packages; as root, installs docker if need be
	@containers/with-docker $(MAKE) --no-print-directory base-image images in-docker \
		BASE_IMAGE=yt8m-base TRAINER=cpu TAG=test REGISTRY=

in-docker: setup
	@$(BIN)/python -m pytest -o python_files="in_docker_*.py" tests/containers

test-cluster: setup ## run the acceptance on a Kubeflow that you have: HOST=http://..., NAMESPACE=kubeflow; docs/kubernetes.md
	@[ -n "$(HOST)" ] || { echo "make: HOST is missing, the address of a Kubeflow Pipelines, such as" \
		"HOST=http://127.0.0.1:8888 (docs/kubernetes.md, The acceptance); none is made here, as its modules" \
		"(github.com/kubeflow/pipelines) are refused by the proxy of Go modules" >&2; exit 2; }
	@$(BIN)/python -m pytest -o python_files="on_cluster.py" -v --tb=short tests/cluster

lint: setup ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

compile: setup ## write build/yt8m-kfp.yaml and build/yt8m-vertex.yaml
	@$(BIN)/python pipeline.py compile

images: setup ## build the images (REGISTRY=, TAG=, BASE_IMAGE=, TRAINER=gpu, cpu or jax); print sizes and digests
	@containers/images build

push: ## push the images to REGISTRY; print their digests for settings.yaml
	@containers/images push

base-image: ## build yt8m-base from Debian packages, for machines without a registry; as root
	@containers/base/build yt8m-base

bench: setup ## time each job beside its naive baseline, into build/bench.json
	@$(BIN)/python -m benchmarks

bench-gpu: $(JAX)/.ready ## time steps and trainings of the large models by Keras on JAX, on the card that JAX finds; PyTorch beside them
	@KERAS_BACKEND=jax PYTHONPATH=. $(JAX)/bin/python benchmarks/gpu_step.py -o build/gpu_step.json
	@if $(TORCH) -c 'import torch' 2>/dev/null; then $(TORCH) benchmarks/gpu_torch.py -o build/gpu_torch.json; \
		else echo "no PyTorch beside it: name a Python that has one by TORCH=..."; fi
	@KERAS_BACKEND=jax PYTHONPATH=. $(JAX)/bin/python benchmarks/gpu_train.py -o build/gpu_train.json

COMPILE_LOCK := uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28
lock: setup ## pin the requirement files anew, with hashes
	@cd requirements && export PATH=$(abspath $(BIN)):$$PATH \
		&& $(COMPILE_LOCK) uv.in -o uv.txt \
		&& $(COMPILE_LOCK) dev.in -o dev.txt \
		&& for name in data trainer trainer-cpu trainer-jax; do $(COMPILE_LOCK) -c dev.txt $$name.in -o $$name.txt || exit 1; done \
		&& $(COMPILE_LOCK) --no-deps -c dev.txt executor.in -o executor.txt

clean: ## remove what was built, and the environment
	rm -rf build $(VENV) $(JAX) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
