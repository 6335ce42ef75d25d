# The one door. `make` alone says what there is.

# Everything is built for the machine at hand with the C library linked in, in tests as in releases: one
# set of flags, so that nothing is built twice, and a program that needs nothing installed to run. Random
# numbers come from the system call then: with nothing installed there is no device file either.
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
export CARGO_BUILD_TARGET ?= $(HOST)
export RUSTFLAGS ?= -C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"
# CI starts from a fresh clone; what it builds is kept outside.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/perigee/target
else
export CARGO_TARGET_DIR ?= $(CURDIR)/target
endif
export PERIGEE_BIN ?= $(CARGO_TARGET_DIR)/$(CARGO_BUILD_TARGET)/release/perigee

.PHONY: help up build web test soak bench clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

up: build ## build what is missing and run the station until Ctrl-C; FLAGS="--state DIR" and such are passed on
	@exec "$(PERIGEE_BIN)" up $(FLAGS)

build: web ## build the program: one file that needs nothing installed to run
	@echo "building perigee"
	@cargo build --quiet --locked --release --package perigee
	@echo "built $(PERIGEE_BIN)"

web: ## build the operators' page
	@scripts/need build
	@scripts/web

test: ## everything: formatting, lints, licences, tests of all kinds, the page in a browser
	@scripts/need test
	@scripts/test

soak: ## the long forms: fuzzing, kill storms, hours of load; PARTS="fuzz boots" for a part of it
	@scripts/need test
	@scripts/soak $(PARTS)

bench: build ## side by side with the peers; SECTIONS="coding live" and such for a part of it
	@bench/run $(SECTIONS)

clean: ## remove what was built here
	rm -rf target web/dist web/node_modules
