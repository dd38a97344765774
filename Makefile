# make demo    train the four models on data that needs no download, write demo/report.html and
#              demo/explorer.html
# make test    every test but the slow ones
# make lint    style and types
# make docs    the site in docs/_build/html, its notebooks run, warnings as errors
# make release what a release needs, up to the upload and without it
# make clean   remove the environment and everything generated
#
# Each works alone with Python 3.11 or newer: the environment in .venv is made when it is
# missing or older than what it is made from. "make test PYTHON=python3.12" picks the Python.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# $(call either,PROGRAMS,PACKAGE): shell that is true if one of the programs is there, or apt
# could install the package
either = { for name in $(1); do command -v $$name && exit 0; done; \
	[ "$$(id -u)" = 0 ] && command -v apt-get && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	-o DPkg::Lock::Timeout=120 $(2); } </dev/null >/dev/null

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs release clean compiler browser

help:
	@sed -n 's/^# \(make \|    \)/\1/p' Makefile

demo: $(READY)
	$(BIN)/sparsevae study --dataset mnist-5k --latents 2,16 --batch-size 64 --epochs 25 --out demo
	$(BIN)/sparsevae explore demo/runs/*-16-seed0 --static demo/explorer.html
	@echo "The report is $(CURDIR)/demo/report.html"
	@echo "Move the codes: open $(CURDIR)/demo/explorer.html, or run $(BIN)/sparsevae explore demo"

# Two workers share the cores; each has one thread. Many tests start processes, which would each
# compile the package anew without bytecode.
test: export OMP_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY) compiler browser
	$(BIN)/pytest -q --numprocesses 2 --dist worksteal --durations 8 -m "not slow and not speed"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: export OMP_NUM_THREADS = 1
docs: .venv/docs
	rm -rf docs/_build docs/api
	$(BIN)/sphinx-build -W --keep-going -q -j 2 -b html docs docs/_build/html
	$(BIN)/python tools/check_site.py docs/_build/html
	@echo "The site is $(CURDIR)/docs/_build/html/index.html"

release: .venv/release
	tools/release $(BIN)

clean:
	rm -rf .venv demo build dist docs/_build docs/api src/*.egg-info .mypy_cache .ruff_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) on this machine:" \
	"install Python 3.11 or newer, or name one as in make PYTHON=python3.12."; exit 1; } >&2
	@$(PYTHON) -c '$(ENOUGH)' || { echo "sparsevae needs Python 3.11 or newer and $(PYTHON) is" \
	"$$($(PYTHON) -V 2>&1): name another one as in make PYTHON=python3.12."; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call either,,python3-venv) || \
	echo "$(PYTHON) lacks its module ensurepip, which Debian keeps in the package python3-venv."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[test,lint]'
	@touch $@

# What only some targets need.
.venv/docs .venv/release: .venv/%: $(READY)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[$*]'
	@touch $@

# Tests that need one of these are skipped by name where it cannot be had.
compiler:
	@$(call either,c++ g++ clang++,g++) || \
	echo "There is no C++ compiler and apt cannot install one: tests of native kernels are skipped."

browser:
	@$(call either,chromium chromium-browser google-chrome,chromium) || \
	echo "There is no Chromium and apt cannot install it: tests in a browser are skipped."
