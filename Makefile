# The newcomer's commands. Everything they need goes into .venv.
PYTHON ?= python3

.PHONY: run dev test check demo bench clean

run: .venv/run-ready
	.venv/bin/python main.py

dev: .venv/run-ready
	.venv/bin/python main.py --reload

test: .venv/dev-ready
	scripts/test

check: .venv/dev-ready
	scripts/check

demo: .venv/run-ready
	.venv/bin/python scripts/demo.py

bench: .venv/dev-ready
	.venv/bin/python -m benchmarks.run

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache htmlcov .coverage demo-output tests/node_modules

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run-ready: requirements.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev-ready: requirements-dev.txt requirements-scale.txt .venv/run-ready
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
