# A bare `make` lists the targets. Everything runs inside .venv, made here with python's own venv and pip.
PYTHON  ?= python3
PROFILE ?= quick
SEED    ?= 0
DATA_ROOT ?=
MODEL   ?=
WEIGHTS ?=
SKIP_BAD ?=
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
OPTIONS  = --profile $(PROFILE) --seed $(SEED) --data-root "$(DATA_ROOT)" $(if $(SKIP_BAD),--skip-bad)
PYTEST   = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
QUICK    = not slow and not notebook and not browser and not training
# a browser's upload is one message; the servers' own limit of 10 MB would end the connection
UPLOADS  = tornado_settings="{'websocket_max_message_size': 104857600}"

.DEFAULT_GOAL := help
.PHONY: help setup reproduce train check test lab app bench demo lint clean notebooks site

help:  ## list the targets
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY)  ## make .venv with the pinned versions (a second run does no work)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, {sys.executable} is {sys.version.split()[0]}: set PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

reproduce: setup  ## the main job: data, networks, maps, numbers, pictures, chapters (DATA_ROOT=folder for real data)
	$(BIN)/python -m xaihelpers reproduce $(OPTIONS)

train: setup  ## make the shipped checkpoints again (hours on a CPU; resumes)
	$(BIN)/python -m xaihelpers train $(OPTIONS)

check: setup  ## the quick tests: no chapter, browser or training; two minutes
	$(PYTEST) -m "$(QUICK)"

test: setup  ## all tests
	$(PYTEST)

lab: setup  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks --ServerApp.$(UPLOADS)

app: setup  ## the explorer as a page, at 127.0.0.1 only (MODEL=package.module:factory for your own network)
	MODEL="$(MODEL)" WEIGHTS="$(abspath $(WEIGHTS))" PYTHONPATH="$(CURDIR)" DATA_ROOT="$(abspath $(DATA_ROOT))" JUPYTER_PATH=apps/share $(BIN)/voila apps/explorer.ipynb --template=explorer --Voila.ip=127.0.0.1 --Voila.$(UPLOADS)

demo: setup  ## the browser page on this machine, at 127.0.0.1 only
	$(BIN)/python apps/browser/build.py build/site/browser
	@echo "open http://127.0.0.1:8000/browser/"
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory build/site

bench: setup  ## speed side by side with the peers
	$(BIN)/python -m benchmarks

notebooks: setup  ## run the chapters and store their outputs in place
	$(BIN)/python -m xaihelpers notebooks

site: setup  ## the chapters, ledger and reference as a static site in build/site
	@$(BIN)/python apps/browser/build.py build/site/browser && page="-t browser" || echo "the site is built without the browser page: see the error above"; \
	$(BIN)/python -m sphinx -q -c docs $$page . build/site
	@echo "open build/site/index.html"

lint: setup  ## style, types, import staircase
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

clean:  ## remove the environment and every cache (never real data or results)
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache data/cache
