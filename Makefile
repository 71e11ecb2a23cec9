# Two commands: `make run` starts the gateway, `make test` passes the tests. Both get what is missing first.

.PHONY: run test mosquitto

run:
	cargo run --release

test: mosquitto
	cargo test --workspace --locked

# The tests restart a real broker under load.
mosquitto:
	@PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null || { \
		echo "installing mosquitto, which the tests need"; \
		if [ "$$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi; \
		$$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mosquitto mosquitto-clients >/dev/null; \
	} || { echo "mosquitto is missing and could not be installed: install mosquitto 2 and try again" >&2; exit 1; }
