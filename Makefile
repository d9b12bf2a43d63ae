# make demo   set everything up and run the demo to a report       make test   set everything up and pass the tests
# make lint   formatting, lint and type checks                     make lock   resolve pyproject.toml anew
# make fuzz   twenty times as many damaged files as the tests hold the readers to
# make gpu-check   what this machine's GPU computes against the CPU, and how fast, in one table
# make demo-volumes   an encoder of whole volumes on seven series, which are fetched (330 MB)
# make demo-on-slurm   the demo here and through a Slurm on this machine: the same bytes

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9

.PHONY: demo test lint fuzz benchmarks lock setup clean

demo: setup
	$(BIN)/snakemake --cores all --logger radcbir
	$(BIN)/snakemake --report results/report.html
	@echo "Done: open results/index.html in a browser. All in one file, to send: results/report.html"

test: setup weights
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

VOLUMES := resources/demo-volumes

.PHONY: demo-volumes
demo-volumes: setup
	$(BIN)/uv run --quiet --no-project --python $(BIN)/python --with-requirements resources/demo/requirements.txt \
	    python resources/demo/build_volumes.py $(VOLUMES)
	$(BIN)/snakemake --cores all --logger radcbir --configfile config/demo-volumes.yaml
	@echo "Done: open results/index.html in a browser"

.PHONY: demo-on-slurm
demo-on-slurm: setup weights
	$(BIN)/python -m pytest -m demo

.PHONY: weights
weights: setup
	$(BIN)/snakemake --cores 1 --quiet all -- weights

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

.PHONY: docs
docs: setup
	$(BIN)/mkdocs build --strict

# needs no setup of its own: PYTHON=... make gpu-check on a machine whose Python has torch and faiss
.PHONY: gpu-check
gpu-check:
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) tests/benchmarks/gpu_check.py

fuzz: setup
	FUZZ=20 $(BIN)/python -m pytest tests/unit -k damaged

benchmarks: setup weights
	$(BIN)/python tests/benchmarks/benchmark_retrieval.py
	$(BIN)/python tests/benchmarks/benchmark_search.py
	$(BIN)/python tests/benchmarks/benchmark_embedding.py
	$(BIN)/python tests/benchmarks/benchmark_pipeline.py
	$(BIN)/python tests/benchmarks/benchmark_precision.py
	$(BIN)/python tests/benchmarks/benchmark_bootstrap.py
	$(BIN)/python tests/benchmarks/benchmark_classification.py
	$(BIN)/python tests/benchmarks/benchmark_confidence.py
	$(BIN)/python tests/benchmarks/benchmark_subgroups.py
	$(BIN)/python tests/benchmarks/benchmark_region_recall.py
	$(BIN)/python tests/benchmarks/benchmark_robustness.py
	$(BIN)/python tests/benchmarks/benchmark_privacy.py
	$(BIN)/python tests/benchmarks/benchmark_duplicates.py
	$(BIN)/python tests/benchmarks/benchmark_precomputed.py
	$(BIN)/python tests/benchmarks/benchmark_dicom_headers.py
	$(BIN)/python tests/benchmarks/benchmark_storage.py
	$(BIN)/python tests/benchmarks/benchmark_sqlite_export.py
	$(BIN)/python tests/benchmarks/benchmark_dry_run.py
	$(BIN)/python tests/benchmarks/benchmark_scale.py --images 200000 --queries 5000
	$(BIN)/python tests/benchmarks/benchmark_app.py

setup: .venv/installed

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Error: $(PYTHON) is older than Python 3.11: install a newer one, or name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	echo '$(CURDIR)/workflow/plugins' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/radcbir_plugins.pth"
	touch $@

lock: setup
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --quiet --universal --fork-strategy fewest --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

clean:
	find results -mindepth 1 ! -name README.md -delete; rm -rf .snakemake site
