# Two commands for everybody: `make demo` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

ROOMS := gateway pseudonymisation disclosure policies audit

.PHONY: demo test lint bench pictures soak verifier lock licences clean
.DELETE_ON_ERROR:

demo: $(VENV)/ready
	$(BIN)/verzuimpoort demo $(ARGS)

test: $(VENV)/ready-dev
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml $(ROOMS)
	$(BIN)/python -m pytest -q tests/house
	$(BIN)/python tests/house/test_rules.py

bench: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks $(ARGS)

# Pictures of the main pages, from a running demo; those of the README are renewed.
pictures: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.pictures $(or $(FOLDER),dist/pictures) $(ARGS)

soak: $(VENV)/ready-dev
	$(BIN)/python -m pytest -n auto -m soak $(ARGS)

# The verifier of the log in one file, for a third party: python3 dist/verify.pyz BUNDLE.zip --policy policy.txt
verifier: $(VENV)/ready
	@mkdir -p dist
	$(BIN)/verzuimpoort audit verifier -o dist/verify.pyz

# Locked dependencies first, then the project itself without looking anything up.
INSTALLING := @echo "installeren duurt eenmalig enkele minuten / installing takes some minutes, once"
$(VENV)/ready: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(INSTALLING)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/ready-dev: requirements-dev.lock $(VENV)/ready
	$(INSTALLING)
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "verzuimpoort heeft Python 3.11 of nieuwer nodig / needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "python3-venv ontbreekt / is missing: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# New versions: change pyproject.toml, then `make lock`.
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
EXTRAS := cluster pkcs11 telemetry
lock: $(VENV)/bin/python
	$(PIP) pip-tools
	$(LOCK) --extra gateway --build-deps-for editable -o requirements.lock pyproject.toml
	$(LOCK) --extra gateway --extra dev --build-deps-for editable -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(LOCK) --extra gateway $(EXTRAS:%=--extra %) --build-deps-for editable -c requirements.lock -o requirements-extras.lock pyproject.toml

# Licences of everything installed, and CycloneDX bills of materials of the locked versions: of a gateway as `make demo`
# installs it, and of one with every extra; fails on a licence that is not on the list. LGPL: psycopg, unmodified, as a
# library of its own (gateway/README.md, decision 4).
# Say nothing in their metadata: cedarpy and atheris are Apache-2.0, axe-playwright-python MIT, by their LICENSE files.
SILENT := cedarpy axe-playwright-python atheris
LICENCES := Apache;BSD;MIT;ISC;PSF;Python Software Foundation;MPL-2.0;Mozilla;EUPL;LGPL-3.0-only;0BSD;CC0
SBOM := $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible
licences: $(VENV)/ready-dev
	@mkdir -p dist
	$(BIN)/pip-licenses --ignore-packages $(SILENT) --partial-match --allow-only="$(LICENCES)" --order=license --format=markdown
	$(SBOM) -o dist/sbom.json requirements.lock
	$(SBOM) -o dist/sbom-extras.json requirements-extras.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
