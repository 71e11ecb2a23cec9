"""Runs the commands of pages. See pages.py for how a page says what is run."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pages

COMMAND_SECONDS = 900  # some compile
OUTPUT_SECONDS = 20
SETTLE_SECONDS = 1.5  # for a background program that does not say when it is ready


class Failed(Exception):
    """What a page says is not so."""


class Session:
    """One page being run: its directory, its programs, and what they have written."""

    def __init__(self, directory, environment):
        self.directory = directory
        self.environment = environment
        self.programs = []
        self.outputs = []

    def run(self, block):
        match block.mark:
            case "background":
                self.start(block.text, block.argument)
            case "file":
                (self.directory / block.argument).write_text(block.text + "\n")
            case "stdin":
                self.send(block.text)
            case "output":
                self.expect(block.text)
            case None if block.language == "sh":
                self.command(block.text)
            case _:
                return False
        return True

    def output_file(self):
        self.outputs.append(Path(tempfile.mkstemp(prefix="output-", dir=self.environment["TMPDIR"])[1]))
        return self.outputs[-1].open("wb")

    def spawn(self, text, stdin):
        with self.output_file() as output:
            return subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", text],
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.environment,
                start_new_session=True,
            )

    def command(self, text):
        process = self.spawn(text, subprocess.DEVNULL)
        self.programs.append(process)
        try:
            code = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"not over after {COMMAND_SECONDS} s\n{self.written()[-2000:]}") from None
        if code:
            raise Failed(f"exit code {code}\n{self.written_last()[-2000:]}")

    def start(self, text, ready):
        process = self.spawn(text, subprocess.PIPE)
        self.programs.append(process)
        self.interactive = process
        if ready is None:
            time.sleep(SETTLE_SECONDS)
        elif not self.wait(lambda: ready in self.written_last() or process.poll() is not None, COMMAND_SECONDS):
            raise Failed(f"has not written {ready!r} after {COMMAND_SECONDS} s\n{self.written_last()[-2000:]}")
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode}\n{self.written_last()[-2000:]}")

    def send(self, text):
        self.interactive.stdin.write(text.encode() + b"\n")
        self.interactive.stdin.flush()

    def expect(self, text):
        for line in filter(None, map(str.strip, text.split("\n"))):
            pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
            if not self.wait(lambda: pattern.search(self.written()), OUTPUT_SECONDS):
                raise Failed(f"not in the output: {line}\n{self.written()[-2000:]}")

    def wait(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def written(self):
        return "\n".join(output.read_text(errors="replace") for output in self.outputs)

    def written_last(self):
        return self.outputs[-1].read_text(errors="replace")

    def stop(self):
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for process in self.programs:
                try:
                    os.killpg(process.pid, sent)
                except ProcessLookupError:
                    pass
            self.wait(lambda: all(process.poll() is not None for process in self.programs), 15)


def run_page(path, work, root):
    """Runs a page; how many blocks were run, what failed, and what is not run."""
    page = pages.read(path)
    not_run = [(path, block) for block in page.blocks if block.mark == "not run"]
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        directory = root if page.in_repository else Path(scratch) / "page"
        directory.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OCPP_GATEWAY")}
        session = Session(directory, environment | {"TMPDIR": scratch})
        count, line = 0, 1
        try:
            commands = [block for block in page.blocks if block.mark != "not run"]
            if page.has_gateway and any(block.language == "sh" for block in commands):
                session.start("exec ocpp-gateway", "is running")
            for block in commands:
                line = block.line
                count += session.run(block)
        except (Failed, OSError) as failure:
            return count, f"{path}:{line}: {failure}", not_run
        finally:
            session.stop()
    return count, None, not_run


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("pages", type=Path, nargs="+")
    arguments = arguments.parse_args()
    # A virtual environment, so that what pages want of Python stays out of the system.
    venv = arguments.work / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    wanted = Path(__file__).with_name("requirements.txt")
    pip = [venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", wanted]
    subprocess.run(pip, check=True)
    os.environ["PATH"] = f"{(venv / 'bin').resolve()}:{os.environ['PATH']}"
    total, failures, skipped = 0, [], []
    for path in arguments.pages:
        count, failure, not_run = run_page(path, arguments.work.resolve(), Path.cwd())
        print(f"{'FAILED' if failure else 'ok':6} {path}: {count} blocks", flush=True)
        total += count
        skipped += not_run
        if failure:
            failures.append(failure)
    for path, block in skipped:
        print(f"not run: {path}:{block.line}: {block.argument}: {block.text.splitlines()[0]}")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{total} run, {len(failures)} failed")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
