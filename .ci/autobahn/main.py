"""Puts an echo through the cases of the Autobahn test suite, several at a time."""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import suite
from protocol import Protocol

# Conforming, or where the specification leaves it open.
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
GOOD_CLOSE = GOOD | {"UNIMPLEMENTED"}
# Most of their time is spent waiting for one second, to see that nothing happens.
AT_A_TIME = 16


def run(address, number, case):
    """How it went, and whether that is good."""
    try:
        protocol = Protocol(address, "/ocpp/autobahn")
        running = case(protocol)
        protocol.run(running)
    except Exception as error:  # Whatever it is, it belongs to this case, and the others go on.
        return f"{type(error).__name__}: {error}", False
    if running.behavior not in GOOD:
        return f"{running.behavior}: {running.result}", False
    if running.behaviorClose not in GOOD_CLOSE:
        return f"{running.behaviorClose}: {running.resultClose} (code {protocol.remoteCloseCode})", False
    return running.behavior, True


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--echo", required=True)
    arguments.add_argument("--suite", required=True, type=Path)
    # The suite sends 1000 of each size, 11 GB in all: for an hour on two cores.
    arguments.add_argument("--compressed-messages", type=int, default=50)
    arguments.add_argument("categories", nargs="*", type=int, default=[1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13])
    arguments = arguments.parse_args()
    cases = suite.load(arguments.suite, set(arguments.categories))
    for number, case in cases.items():
        if number[0] in (12, 13):
            case.COUNT = arguments.compressed_messages
    echo = subprocess.Popen([arguments.echo], stdout=subprocess.PIPE, text=True)
    try:
        host, port = re.fullmatch(r"([\d.]+):(\d+)\n", echo.stdout.readline()).groups()
        address = host, int(port)
        # The large ones are timed: they have the machine for themselves.
        large = {number: case for number, case in cases.items() if number[0] == 9}
        small = {number: case for number, case in cases.items() if number[0] != 9}
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            results = dict(zip(small, pool.map(lambda item: run(address, *item), small.items())))
        results |= {number: run(address, number, case) for number, case in large.items()}
    finally:
        echo.kill()
        echo.wait()
    for number, (result, _) in results.items():
        if result != "OK":
            print(f"{'.'.join(map(str, number))}: {result}")
    failed = sum(not good for _, good in results.values())
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not results else 0)


main()
