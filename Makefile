# Two commands: `make run` starts the gateway, `make test` passes the tests. Both get what is missing first.

.PHONY: run test

run:
	cargo run --release

# The tests restart a real broker under load.
test:
	.ci/mosquitto
	cargo test --workspace --locked
