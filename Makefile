# Two commands: `make run` starts the gateway, `make test` passes the tests. Both get what is missing first. A third one,
# `make bench`, measures it beside what one would use instead: about an hour; `make bench ARGS=--quick`: some minutes.

.PHONY: run test bench

run:
	cargo run --release

# The tests restart a real broker under load.
test:
	.ci/mosquitto
	cargo test --workspace --exclude ocpp-gateway-bench --locked

bench:
	cargo build --release --locked --package ocpp-gateway
	cargo run --release --locked --package ocpp-gateway-bench -- public $(ARGS)
