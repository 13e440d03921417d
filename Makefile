# Everything a newcomer needs: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run console pictures test lint types guards table references bench bench-peers bench-count bench-log \
  bench-overload bench-system prove setup system \
  binary selftest release lock platforms clean

run: $(VENV)/.run console
	$(BIN)/canalgate serve

# The web console, from console/ into proxy/static. Without Node.js the gateway runs without it.
console:
	@$(PYTHON) console/backend.py

# The pictures of docs/console.md, as the tests of the console take them.
pictures: setup system console
	TEST_PICTURES=1 $(BIN)/pytest -q tests/console
	mkdir -p docs/images && cd tests/console/pictures && for pair in overview-en-light-1280:overview \
	  channels-zh-dark-1280:channels dialog-request-light:request dialog-model-light:model playground:playground; do \
	  cp "$${pair%:*}.png" "../../../docs/images/$${pair#*:}.png"; done

# Twice as many workers as cores, as tests wait half of their time. The console's tests by themselves: Playwright has an
# event loop running in its process.
test: setup system console
	$(BIN)/pytest -n $$((2 * $$(getconf _NPROCESSORS_ONLN))) --dist worksteal --ignore tests/console
	$(BIN)/pytest -n auto --dist worksteal tests/console

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy takes the package's name from its folder, whatever the checkout is called.
types: setup
	mkdir -p .cache && ln -sfn .. .cache/canalgate
	cd .cache && ../$(BIN)/mypy --config-file ../setup.cfg -p canalgate.proxy -p canalgate.adapters -p canalgate.plugins \
	  -p canalgate.bench

guards: setup
	$(BIN)/pytest -q tests/guards

# The tables of providers in docs/providers.md and README.md, from the adapters and their cases.
table: setup
	$(BIN)/python tests/supported.py

# docs/reference and console/src/lib/openapi.ts, from the settings, the commands and the operations of the admin API.
references: setup
	$(BIN)/python tests/references.py

# Options go in BENCH: make bench BENCH="--quick --targets canalgate,nginx".
bench: setup
	$(BIN)/python bench/run.py $(BENCH)

# The same with other AI gateways, installed into the user's cache.
bench-peers: setup
	$(BIN)/python bench/run.py --peers $(BENCH)

# Instructions and system calls; fails when one is over its budget. COUNT=--write makes a new budget.
bench-count: setup
	$(BIN)/python bench/count.py $(COUNT)

# The call log at ten million rows; takes minutes. LOG="--rows 1000000" for less.
bench-log: setup
	$(BIN)/python bench/log.py $(LOG)

# Five times the load that can be served; needs wrk.
bench-overload: setup
	$(BIN)/python bench/overload.py

# The long forms of proofs: a hundred kills, fifty successors, a thousand losses of power, ten thousand programs, a
# thousand clients that leave, a log of a million requests in a browser.
prove: setup system console
	$(BIN)/python tests/kills.py --kills 100 --streams 50
	$(BIN)/python tests/handovers.py --times 50 --streams 50
	$(BIN)/python tests/power_loss.py --requests 100 --points 1000
	LEDGER_PROGRAMS=10000 $(BIN)/pytest -q tests/proxy/ledger/test_programs.py
	LEAVING_CLIENTS=1000 $(BIN)/pytest -q -s tests/e2e/test_leaving.py
	LOG_ROWS=1000000 $(BIN)/pytest -q -s tests/console/test_log.py

# The proxies and tools that measuring needs, installed where we may; what is missing is left out with a line.
bench-system: setup
	$(BIN)/python bench/machine.py

setup: $(VENV)/.dev

# What tests need from the system and pip cannot give. Installed where we may; else those tests say so.
system:
	@missing=; export PATH="$$PATH:/usr/sbin:$$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')"; \
	for pair in curl:curl jq:jq strace:strace mariadbd:mariadb-server initdb:postgresql \
	  chromium:chromium+fonts-noto-cjk; do \
	  command -v "$${pair%:*}" >/dev/null || missing="$$missing $$(echo $${pair#*:} | tr + " ")"; done; \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } \
	  || echo "not installed, so some tests are skipped:$$missing"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.run

# One file that needs no Python: dist/canalgate, frozen from an installed wheel and from pinned packages. With
# GLIBC=2.28 of a Python that is built for that, on Debian 12: for older systems than this one.
binary:
	GLIBC=$(GLIBC) $(PYTHON) release/build.py binary

# What the binary can do, tried in an empty folder.
selftest:
	$(PYTHON) release/selftest dist/canalgate

# Everything that is released, in dist/. The same commit, Python and system give the same bytes.
release:
	GLIBC=$(GLIBC) $(PYTHON) release/build.py all
	$(PYTHON) release/selftest dist/canalgate

# Pin the packages that the binary holds, and the tools that make it, by their hashes: after a change of setup.cfg.
LOCK := .cache/release/lock/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes \
  --no-annotate --no-header --no-emit-find-links
lock:
	$(PYTHON) -m venv .cache/release/lock && .cache/release/lock/bin/pip install --quiet uv
	$(LOCK) --extra litellm --extra mysql --extra postgres --extra prometheus --extra tokens setup.cfg \
	  --output-file release/requirements.lock
	$(LOCK) release/tools.in --output-file release/tools.lock
	$(LOCK) release/zig.in --output-file release/zig.lock
	$(PYTHON) release/platforms.py

# Whether every package of the binary is there for each system that docs/deploying.md names.
platforms:
	$(PYTHON) release/platforms.py

clean:
	rm -rf $(VENV) console/node_modules proxy/static .cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
