# Every task of a developer; `make` lists them. Needs Python 3.11 or newer; the rest is installed into .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
UV_VERSION := 0.13.9
# One more than there are processors: many tests wait for servers.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: help setup run test deployment quick unit lint types lock docs site dist packages manifests image client classify bench bench-smtp bench-render bench-api bench-lanes bench-scaling bench-wide bench-holds bench-inbox capacity gallery simulate chaos chaos-short up down clean audit load vendor

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(VENV)/.run: pyproject.toml requirements.lock service/dev/embedded.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tocsin needs Python 3.11 or newer; found $$($(PYTHON) --version). Set PYTHON=..."; exit 1; }
	@echo "preparing $(VENV), once: what running needs ..."
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot create virtual environments: install its venv package (Debian: python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock -r service/dev/embedded.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q service streams  # a command starts in a third of the time
	@touch $@

$(VENV)/.ready: $(VENV)/.run requirements-dev.lock
	@echo "adding what tests, lint and benchmarks need ..."
	@$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.ready ## prepare the environment only

run: $(VENV)/.run ## the whole product on one machine: broker, Redis, mail catcher, stages, API
	@exec $(BIN)/tocsin dev

test: $(VENV)/.ready ## every test but those of `make deployment`, on real servers that it starts itself
	PYTHONHASHSEED=0 $(BIN)/python -m pytest -m "not deployment" -n $(JOBS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

deployment: $(VENV)/.ready ## the wheel in empty environments, the site, the files of ops: schemas of Kubernetes, access rules
	$(BIN)/python -m pytest -q -m deployment tests/deploy tests/docs tests/e2e/test_kafka_acls.py tests/e2e/test_cluster_move.py tests/e2e/api/test_proxies.py

quick: $(VENV)/.ready ## unit and architecture tests without the exhaustive ones, for every save
	$(BIN)/python -m pytest -q -m "not exhaustive" tests/unit tests/architecture

unit: $(VENV)/.ready ## every test without a broker: unit, architecture, properties and the simulation
	$(BIN)/python -m pytest tests/unit tests/architecture tests/properties

lint: $(VENV)/.ready ## style, and the rules of who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.ready ## mypy, strict
	$(BIN)/mypy

lock: $(VENV)/.ready ## update the lock files from pyproject.toml
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --no-header --no-emit-index-url --extra embedded --extra otel --extra tui --group dev -o requirements-dev.lock
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --no-header --no-emit-index-url -c requirements-dev.lock -o requirements.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["embedded"], sep="\n")' | \
		$(BIN)/uv pip compile -q - --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 -c requirements-dev.lock -o service/dev/embedded.lock
	$(BIN)/uv pip compile -q tests/interop/openapi/requirements.in --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/interop/openapi/requirements.lock
	$(BIN)/uv pip compile -q tests/interop/kubernetes/requirements.in --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/interop/kubernetes/requirements.lock
	$(BIN)/uv pip compile -q tests/interop/proxies/requirements.in --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/interop/proxies/requirements.lock

docs: $(VENV)/.ready ## write what is made from the code: OpenAPI, AsyncAPI, reasons, conformance, commands, typed events
	$(BIN)/python -m service.api > docs/api/openapi.json
	$(BIN)/python -m streams.topics.asyncapi > docs/events/asyncapi.json
	$(BIN)/python -m service.model > docs/reasons.md
	$(BIN)/python -m tests.support.conformance > docs/conformance.md
	$(BIN)/python -m tests.support.cli_reference > docs/reference/cli.md
	$(BIN)/python -m tests.support.http_reference > docs/reference/http.md
	$(BIN)/python -m tests.support.client_vectors > clients/vectors.json
	@$(BIN)/tocsin types generate python --output clients/python/tocsin_client
	@$(BIN)/tocsin types generate typescript --output clients/typescript/src
	@$(BIN)/tocsin types generate java --output clients/java/src/main/java

site: $(VENV)/.ready ## the documentation as a site, in build/site
	@$(BIN)/python .ci/site.py build/site

manifests: $(VENV)/.ready ## write ops/kubernetes from the Helm chart; needs helm
	$(BIN)/python -m tests.support.chart

image: $(VENV)/.ready ## an OCI image in build/image without a daemon (as root), then its test: it serves and delivers
	$(BIN)/python .ci/image.py build/image
	TOCSIN_TEST_IMAGE=build/image $(BIN)/python -m pytest -q tests/deploy/test_image.py

dist: $(VENV)/.ready ## wheel, source archive and bill of materials, in dist
	$(BIN)/uv build --quiet --out-dir dist .
	$(BIN)/python .ci/release.py sbom > dist/sbom.cdx.json

packages: $(VENV)/.ready ## packages of all clients, in dist/clients; needs Node 20 and Maven
	@mkdir -p dist/clients
	$(BIN)/uv build --quiet --out-dir dist/clients clients/python
	cd clients/typescript && npm ci --no-audit --no-fund && npm run build && npm pack --pack-destination ../../dist/clients
	cd clients/inbox && npm ci --no-audit --no-fund && npm run build && npm pack --pack-destination ../../dist/clients
	cd clients/java && mvn --batch-mode --quiet -DskipTests clean package
	cp clients/java/target/tocsin-client-*.jar dist/clients/

client: ## the inbox for browsers: its types, its npm package, and the script that the API serves
	cd clients/inbox && npm ci --no-audit --no-fund && npm run types && npm run check && npm run build

vendor: ## write the files of others that the API serves, from the npm packages in their manifest
	@$(PYTHON) .ci/vendor.py

classify: $(VENV)/.ready ## what the classifier says of a folder of bounces or a TSV file of replies: make classify DIR=…
	$(BIN)/python -m tests.support.classify_report $(DIR)

bench: $(VENV)/.ready ## rate and CPU of the whole pipeline, beside three FastStream services
	$(BIN)/python -m bench.line

bench-smtp: $(VENV)/.ready ## the SMTP engine beside smtp-source and aiosmtplib
	$(BIN)/python -m bench.smtp

bench-render: $(VENV)/.ready ## a rendered message beside EmailMessage
	$(BIN)/python -m bench.render

bench-api: $(VENV)/.ready ## the read API beside a bare route
	$(BIN)/python -m bench.api

bench-lanes: $(VENV)/.ready ## the delay of urgent mail while a million bulk mails are sent
	$(BIN)/python -m bench.lanes

bench-scaling: $(VENV)/.ready ## CPU an event with 1 to 4 workers a stage and 2 to 32 partitions
	$(BIN)/python -m bench.scaling

bench-wide: $(VENV)/.ready ## one event for a million recipients, by inbox and mail, each of them audited
	$(BIN)/python -m bench.wide

bench-holds: $(VENV)/.ready ## a million held mails beside as many that were never held, digests, limits
	$(BIN)/python -m bench.holds

bench-inbox: $(VENV)/.ready ## scrolling 10,000 unread entries in Chromium, beside plain lists
	$(BIN)/python -m bench.inbox

capacity: $(VENV)/.ready ## what a million deliveries cost, and the machines that follow, with a check
	$(BIN)/python -m bench.capacity --check

gallery: $(VENV)/.ready ## a picture of every sample message, checked in Chromium
	$(BIN)/python -m tests.support.gallery

simulate: $(VENV)/.ready ## the deterministic simulation of the pipeline, from a new seed, ten times as long
	export PYTHONHASHSEED=$$RANDOM; echo PYTHONHASHSEED=$$PYTHONHASHSEED; TOCSIN_SIMULATION_SEED=$$RANDOM$$RANDOM TOCSIN_SIMULATION_STEPS=900000 TOCSIN_SIMULATION_EXAMPLES=1000 $(BIN)/python -m pytest tests/properties/test_simulation.py tests/properties/test_timed_simulation.py

chaos: $(VENV)/.ready ## every fault, on real servers, counting losses and duplicates; writes docs/reliability.md
	$(BIN)/python -m tests.chaos.run --write

chaos-short: $(VENV)/.ready ## a selection of the faults: about three minutes
	$(BIN)/python -m tests.chaos.run --short

audit: $(VENV)/.ready ## known vulnerabilities in the locked dependencies, where a vulnerability service answers
	@$(BIN)/python .ci/audit.py requirements.lock

load: $(VENV)/.ready ## the API under 10,000 half-sent requests, idle streams, huge bodies
	TOCSIN_LOAD_CONNECTIONS=10000 $(BIN)/python -m pytest -s tests/e2e/api/test_load.py

up: ## the production layout in containers
	docker compose up --build --detach --wait

down: ## stop the containers
	docker compose down

clean: ## remove what was built
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .tocsin
