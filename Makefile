# make all    set up and run the demo study        make test    set up and run every test
# make lock   renew the pinned environment         make config  renew the generated configuration files
# make gallery    run the demo study with all of its variants, and renew docs/gallery.md

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/installed-$(shell sha256sum envs/requirements.txt pyproject.toml | sha256sum | cut -c1-16)
RUN := . $(VENV)/bin/activate &&

.PHONY: all test environment config gallery lock clean
.DELETE_ON_ERROR:

all: environment
	$(RUN) snakemake --cores 8 all

test: environment
	$(RUN) python -m pytest

environment: $(STAMP)

$(STAMP): envs/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: install it, or name it as in make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "venv is missing: install the package python3-venv (Debian, Ubuntu) and run make again" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r envs/requirements.txt
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

config: environment
	$(RUN) python -m cliphba.studies

gallery: environment
	$(RUN) snakemake --cores 8 all ablations data_efficiency held_out_participants
	$(RUN) python -m cliphba.figures.gallery results/demo/figures docs

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
		--upgrade envs/requirements.in -o envs/requirements.txt
	$(PYTHON) envs/make_conda_twin.py

clean:
	rm -rf results/demo results/tiny .snakemake
