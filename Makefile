# Everything here runs in .venv, which the first target that needs it makes from hash-pinned wheels.
#
#   PYTHON=python3.12   which Python makes .venv (default: the first of those below that will do)
#   DURATION=60         seconds of `make demo`; without it until Ctrl-C
#   LAKE=1              `make demo` also fills tables on S3
#   CASE=rides          which benchmark: rides, latency, restart, memory, tpv, transactions, scored,
#                       compaction or growth
#   ARGS="-k ride"      more arguments for pytest

VENV := .venv
BIN := $(VENV)/bin

# An environment is up to date when a stamp with the checksum of what it was made from is in it.
# That of the development tools is a superset of the demo's, so all share one .venv.
checksum = $(shell cat requirements/build.txt requirements/$(1).txt pyproject.toml | cksum | cut -d' ' -f1)
DEMO := $(VENV)/.installed-demo-$(call checksum,demo)
LAKES := $(VENV)/.installed-lake-$(call checksum,lake)
DEV := $(VENV)/.installed-dev-$(call checksum,dev)
# Airflow, Spark and DVC have environments of their own: what they pin does not go together with
# everybody else's, or is large, and only they need it.
SPARK := .venv-spark/.installed-$(shell cksum < requirements/spark.txt | cut -d' ' -f1)
DVC := .venv-dvc/.installed-$(shell cksum < requirements/dvc.txt | cut -d' ' -f1)
AIRFLOW := .venv-airflow/.installed-$(shell cksum < requirements/airflow.txt | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help demo test airflow-test spark-test dvc-test chaos bench quality docs lint format requirements hooks clean distclean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(if $(wildcard $(DEV)),,$(if $(LAKE),$(LAKES),$(DEMO))) ## A broker, a simulator, the detector and the console
	@$(BIN)/eddy demo $(if $(DURATION),--duration $(DURATION)) $(if $(LAKE),--lake)

test: $(DEV) ## Every test except the long chaos runs, on two cores
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

airflow-test: $(AIRFLOW) $(DEV) ## The daily run's DAG, in an Airflow of its own
	@$(BIN)/pytest tests/integration/test_airflow_dag.py $(ARGS)

spark-test: $(SPARK) $(DEV) ## The job for training tables, in a Spark of its own
	@$(BIN)/pytest tests/integration/test_spark_job.py $(ARGS)

dvc-test: $(DVC) $(DEV) ## The stages of dvc.yaml, by a DVC of its own
	@$(BIN)/pytest tests/integration/test_dvc_stages.py $(ARGS)

chaos: $(DEV) ## The chaos tests, the long ones too
	@$(BIN)/pytest tests/chaos -m "chaos_long or not chaos_long" --timeout=3600 $(ARGS)

bench: $(DEV) ## Benchmarks against peers, all of them or one: make bench CASE=rides
	@$(BIN)/python -m bench $(if $(CASE),--case $(CASE)) $(ARGS)

quality: $(DEV) ## The detectors on public data, beside a random scorer
	@$(BIN)/python -m bench.quality $(ARGS)

docs: $(DEV) ## The site of docs/ in build/docs, its reference made from the code
	@$(BIN)/python -m tests.support.reference
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --quiet
	@echo "build/docs/index.html"

lint: $(DEV) ## ruff, mypy, import-linter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV) ## Let ruff mend what it can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

hooks: ## Let git run .githooks/pre-commit before each commit
	git config core.hooksPath .githooks

clean: ## Remove caches and build products
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)*' -prune -exec rm -rf {} +

distclean: clean ## Remove the environments, too
	rm -rf $(VENV) .venv-airflow .venv-spark .venv-dvc

# --- pinning ------------------------------------------------------------------------------------

COMPILE = uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11

requirements: ## Pin the newest versions that go together (needs uv)
	@command -v uv >/dev/null || { echo "make requirements needs uv on the PATH: pip install uv" >&2; exit 1; }
	echo 'setuptools>=77' | $(COMPILE) - --output-file requirements/build.txt
	$(COMPILE) pyproject.toml --extra dev --constraint requirements/build.txt --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra train --extra history --extra plot --extra lake --extra serve --extra mlflow --constraint requirements/dev.txt --output-file requirements/run.txt
	$(COMPILE) pyproject.toml --extra sandbox --extra train --extra plot --constraint requirements/dev.txt --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml --extra sandbox --extra train --extra plot --extra lake --constraint requirements/dev.txt --output-file requirements/lake.txt
	for tool in airflow spark dvc; do $(COMPILE) requirements/$$tool.in --output-file requirements/$$tool.txt; done

# --- the environment ----------------------------------------------------------------------------

# pip is enough; uv is faster where it is (it must be told to compile bytecode, or the first start
# of every process compiles a thousand modules). The project itself is built with the pinned setuptools
# (--no-build-isolation), not with one that pip fetches for the occasion.
$(VENV)/.installed-%: $(VENV)/pyvenv.cfg
	@which=$(firstword $(subst -, ,$*)); \
	echo "Installing requirements/$$which.txt into $(VENV) (once) ..."; \
	if command -v uv >/dev/null; then \
		pip() { command=$$1; shift; uv pip $$command --compile-bytecode --python $(BIN)/python "$$@"; }; \
	else \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
		pip() { $(BIN)/python -m pip --disable-pip-version-check "$$@"; }; \
	fi; \
	pip install --require-hashes -r requirements/build.txt -r requirements/$$which.txt && \
	pip install --quiet --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-$(firstword $(subst -, ,$*))-*
	@touch $@

# An environment by the name of its requirements: .venv-airflow, .venv-spark, .venv-dvc.
define environment
.venv-$(1)/.installed-%: | $$(VENV)/pyvenv.cfg
	@echo "Installing requirements/$(1).txt into .venv-$(1) (once) ..."; \
	rm -rf .venv-$(1); \
	if command -v uv >/dev/null; then \
		uv venv --quiet --python $$(BIN)/python .venv-$(1) && \
		uv pip install --quiet --compile-bytecode --python .venv-$(1)/bin/python --require-hashes -r requirements/$(1).txt; \
	else \
		$$(BIN)/python -m venv .venv-$(1) && \
		.venv-$(1)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/$(1).txt; \
	fi
	@touch $$@
endef
$(foreach name,airflow spark dvc,$(eval $(call environment,$(name))))

$(VENV)/pyvenv.cfg:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11) none; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
		echo "Python 3.11 or newer is needed; $(or $(PYTHON),python3) is" \
			"$$($(or $(PYTHON),python3) --version 2>/dev/null || echo 'not there'). Name another: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	if command -v uv >/dev/null; then uv venv --quiet --python "$$python" $(VENV); \
	else "$$python" -m venv $(VENV); fi || { \
		rm -rf $(VENV); \
		echo "$$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
