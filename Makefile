# Everything that is done with this project. `make setup` needs git, Python 3.11+ and Node 20+.
PYTHON3 ?= python3
PYTHON := .venv/bin/python
ARGS ?=

.PHONY: setup run test test-long test-live coverage bench check lock clean

setup: ## install what the stand and the tests need, and nothing else
	@$(PYTHON3) local/bootstrap.py

run: setup ## the whole story on this machine, without Azure: make run ARGS=--once
	@$(PYTHON) -m local run $(ARGS)

# Sets are in the same order every time: what the drawn tests try here is the same in every run, and new in test-long.
# Bytecode is kept, even where an image says otherwise: hundreds of processes would compile the same modules again.
test: setup ## all tests, three files at a time: those of the stand wait a good deal
	@PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n 3 --no-loadscope-reorder $(ARGS)

test-long: setup ## decisions, readers and promises with many more drawn examples, storms of a thousand
	@HYPOTHESIS_PROFILE=long $(PYTHON) -m pytest -n 2 --timeout 14400 \
		tests/reliability tests/domain tests/commandline tests/stand/test_reliability.py \
		tests/test_live.py $(ARGS)

test-live: setup ## the contract suite on real services, which it asks for: docs/live-tests.md
	@$(PYTHON) -W ignore::SyntaxWarning -m tests.live $(ARGS)

coverage: setup ## branches of the core and of the use cases that their own tests reach, and the lines that none does
	@PYTHONHASHSEED=0 $(PYTHON) -m coverage run -m pytest -q -n 2 tests/domain tests/services tests/commandline
	@$(PYTHON) -m coverage combine --quiet
	@$(PYTHON) -m coverage report

bench: setup ## what the product costs, and how that grows: make bench ARGS="--n 100,1000 --json FILE"
	@$(PYTHON) -W ignore -m benchmarks $(ARGS)

check: setup ## style, types, the import rule, and whether the pages agree with the code
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q tests/test_architecture.py tests/test_docs.py

lock: ## lock the packages of pyproject.toml again
	uv pip compile -q pyproject.toml --universal --python-version 3.13 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --no-annotate -o requirements.txt
	uv pip compile -q pyproject.toml --extra steps --universal --python-version 3.13 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --no-annotate -c requirements.txt \
		-o pipelines/requirements.txt
	uv pip compile -q pyproject.toml --extra dev --extra steps --universal --python-version 3.13 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --no-annotate -c requirements.txt \
		-o requirements-dev.txt

clean: ## remove everything that was installed or made
	rm -rf .venv .tools .stand node_modules .mypy_cache .ruff_cache .hypothesis .coverage*
