# Two commands: `make run` starts the gateway, `make test` passes the tests. Both get what is missing first. A third one,
# `make bench`, measures it beside what one would use instead: about an hour; `make bench ARGS=--quick`: some minutes.

.PHONY: run test bench

run:
	cargo run --release

# Most of the tests' time is waiting, so that four for each core run at once.
test: export RUST_TEST_THREADS ?= $(shell expr 4 '*' `getconf _NPROCESSORS_ONLN`)
# Nearly every test starts a gateway, which compiles its transforms: most of them the same ones.
test: export CACHE_DIRECTORY ?= $(CURDIR)/target/compiled
# The tests restart a real broker under load.
test:
	.ci/mosquitto
	cargo test --workspace --exclude ocpp-gateway-bench --locked

bench:
	cargo build --release --locked --package ocpp-gateway
	cargo run --release --locked --package ocpp-gateway-bench -- public $(ARGS)
