# Two commands do all the set-up: `make book` and `make test`. `make help` lists the rest.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# OpenBLAS's idle threads wait in a busy loop. Where another program wants the cores, that slows a chapter
# many times over, and for matrices of this book's size one thread is as quick as two.
export OPENBLAS_NUM_THREADS ?= 1

IN_VENV := .venv/bin/python -m
PIP_INSTALL := $(IN_VENV) pip install --quiet --constraint constraints.txt
BUILD_TOOLS := cython meson meson-python ninja
BOOK_SOURCES := _config.yml _toc.yml $(shell find book nndl -name '[!.]*' -type f -not -path '*/.*/*' -not -name '*.pyc')

.DEFAULT_GOAL := help
.PHONY: help install book pdf dist-book test test-browser fuzz sanitize valgrind lab execute lint bench dist oracle clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-13s %s\n", $$1, $$2}'

install: .venv/installed ## create .venv and install the package, the book's and the tests' tools

book: _build/built ## build the HTML book and say where to open it
	@.venv/bin/python tools/say_where_to_read.py

pdf: _build/built ## print the whole book into _build/forward-and-backward.pdf, with Chromium
	@.venv/bin/python tools/print_book.py

dist-book: _build/built ## pack the HTML book into one zip file, to be read without a network
	@.venv/bin/python tools/pack_book.py

test: install ## run every test, then every notebook against its committed outputs
	@.venv/bin/python -c 'import nndl' # compiles what has changed, before two processes would
	$(IN_VENV) pytest -n auto
	$(IN_VENV) pytest -n auto --dist loadfile --nbval book/

# Apart from `make test`, for they read the built book, which must not be an old one.
test-browser: .venv/browser _build/built ## look at every page of the book in Chromium: some minutes
	$(IN_VENV) pytest -n 2 tests/browser

fuzz: install ## call compiled code with 100,000 hostile arrays and settings: EXAMPLES=... SEED=... for others
	.venv/bin/python tools/fuzz.py $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SEED),--seed $(SEED))

sanitize: install ## test compiled code in a build that watches its memory and arithmetic; QUICK=1: less of it
	.venv/bin/python tools/sanitize.py $(if $(QUICK),--quick) $(if $(EXAMPLES),--examples $(EXAMPLES))

valgrind: install ## run every kernel under valgrind: some minutes
	.venv/bin/python tools/valgrind.py

lab: .venv/lab ## open the chapters in JupyterLab
	$(IN_VENV) jupyter lab --notebook-dir=book/chapters

execute: install ## run the notebooks again and store their outputs
	.venv/bin/python tools/execute_notebooks.py book/*/*.ipynb

lint: .venv/dev ## check style and types
	$(IN_VENV) ruff check
	$(IN_VENV) ruff format --check
	$(IN_VENV) mypy

bench: install ## time the compiled code against its peers: a few minutes
	$(IN_VENV) benchmarks

dist: .venv/dev ## build the sdist, and the wheel from it
	$(IN_VENV) build --outdir dist

oracle: install ## install PyTorch, which some tests compare with when it is there
	$(PIP_INSTALL) -e '.[oracle]' --no-build-isolation

clean: ## remove everything that was built, .venv too
	rm -rf .venv _build build dist .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -exec rm -rf {} +

# The files below are empty; their times say when each step was last done.

.venv/installed: pyproject.toml constraints.txt
	@if ! command -v "$(PYTHON)" >/dev/null; then \
	    echo 'nndl needs Python 3.11 or newer, and found no "$(PYTHON)": install it, or name another with make PYTHON=...' >&2; exit 1; fi
	@"$(PYTHON)" tools/check_prerequisites.py
	@test -x .venv/bin/python || "$(PYTHON)" -m venv .venv
	@echo 'Installing into .venv: a few minutes the first time.'
	@$(PIP_INSTALL) $(BUILD_TOOLS)
	@$(PIP_INSTALL) --no-build-isolation --editable '.[book,test]'
	@touch $@

.venv/lab: .venv/installed
	@$(PIP_INSTALL) --no-build-isolation --editable '.[lab]'
	@touch $@

.venv/browser: .venv/installed
	@$(PIP_INSTALL) --no-build-isolation --editable '.[browser]'
	@touch $@

.venv/dev: .venv/installed
	@$(PIP_INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@

_build/built: .venv/installed $(BOOK_SOURCES)
	.venv/bin/jupyter-book build . -W --keep-going --all
	@touch $@
