"""All checks against one gateway; exits with 1 if one fails."""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from checks import Checks, equal
from layouts import index, oras, wkg
from registry import PASSWORD, USER, basic, registry
from tokens import Signer, token_server
from web import TWO_GB, web_server

# Of `check`: the configuration is faulty (EX_CONFIG).
FAULTY = 78


class Gateway:
    """The program, with a new storage for each check."""

    def __init__(self, executable, work):
        self.executable, self.work = executable, work

    async def run(self, component, *, folder):
        """Starts it with this component as the mapping, and stops it once it runs."""
        ports = "".join(
            f'[{section}]\nlisten = "127.0.0.1:0"\n' for section in ("ocpp", "admin", "mqtt.embedded")
        )
        (folder / "run.toml").write_text(
            f"{ports}[storage]\ndirectory = {json.dumps(str(folder / 'storage'))}\n"
            f'[[transforms]]\nname = "standard"\ncomponent = {json.dumps(component)}\n'
        )
        process = await asyncio.create_subprocess_exec(
            self.executable, "--config", folder / "run.toml",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            equal(b"is running" in line, True)
        finally:
            process.terminate()
            await process.wait()

    def folder(self):
        return Path(tempfile.mkdtemp(dir=self.work))

    async def check(self, component, *, folder=None, login=None, sha256=None, environment=None):
        """Runs `check` for a configuration with this component as the mapping; its status, and what it prints.

        `login`: registry, user and password for the configuration file of Docker. `environment`: further variables.
        """
        folder = folder or self.folder()
        pin = f"sha256 = {json.dumps(sha256)}\n" if sha256 else ""
        (folder / "gateway.toml").write_text(
            f"[storage]\ndirectory = {json.dumps(str(folder / 'storage'))}\n"
            f'[[transforms]]\nname = "standard"\ncomponent = {json.dumps(component)}\n{pin}'
        )
        (folder / "docker").mkdir(exist_ok=True)
        auths = {}
        if login:
            host, user, password = login
            auths[host] = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
        (folder / "docker" / "config.json").write_text(json.dumps({"auths": auths}))
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OCPP_GATEWAY__")}
        process = await asyncio.create_subprocess_exec(
            self.executable, "check", "--config", folder / "gateway.toml",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            cwd=folder, env=plain | {"DOCKER_CONFIG": str(folder / "docker")} | (environment or {}),
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()


def loaded(outcome, component):
    """The component is loaded: its first digits are printed."""
    status, output = outcome
    if status != 0 or hashlib.sha256(component).hexdigest()[:12] not in output:
        raise AssertionError(f"ended with {status}: {output}")


def refused(outcome, *texts):
    """The configuration is refused, and each of these texts is in the reason."""
    status, output = outcome
    if status != FAULTY or not all(text in output for text in texts):
        raise AssertionError(f"ended with {status}, without {texts}: {output}")


async def without_login(checks, gateway, executable, work, component):
    async with registry(executable, work) as there:
        manifest, blobs = wkg(component)
        pushed = there.push("me/standard", "wkg", manifest, blobs)
        there.push("me/standard", "latest", manifest, blobs)
        there.push("me/standard", "oras", *oras(component))
        there.push("me/standard", "oras-typed", *oras(component, "application/wasm"))
        there.push("me/standard", "oras-readme", *oras(component, beside=b"# Read me"))
        there.push("me/standard", "index", index(manifest), [])
        for version in ["", ":wkg", f"@{pushed}", f":wkg@{pushed}", ":oras", ":oras-typed", ":oras-readme", ":index"]:
            with checks.check(f"the gateway pulls me/standard{version}"):
                loaded(await gateway.check(f"oci://{there.host}/me/standard{version}"), component)
        with checks.check("the gateway refuses a tag that does not exist"):
            refused(await gateway.check(f"oci://{there.host}/me/standard:none"), "404", "manifests/none")
        with checks.check("the gateway refuses a digest that does not exist"):
            refused(await gateway.check(f"oci://{there.host}/me/standard@sha256:{'0' * 64}"), "404")
        with checks.check("the gateway refuses a component with another digest than sha256 says"):
            found = hashlib.sha256(component).hexdigest()[:12]
            refused(await gateway.check(f"oci://{there.host}/me/standard", sha256="0" * 64), "sha256", found)
        with checks.check("the gateway refuses a layer that is no component"):
            there.push("me/readme", "latest", *oras(b"# Read me"))
            refused(await gateway.check(f"oci://{there.host}/me/readme"), "is text")
        with checks.check("the gateway refuses a manifest of which the blob has changed in the storage"):
            there.push("me/changed", "latest", manifest, blobs)
            blob = hashlib.sha256(component).hexdigest()
            [stored] = work.glob(f"registry-{there.host.split(':')[1]}/storage/docker/registry/v2/blobs/sha256/*/{blob}/data")
            stored.write_bytes(component[:-1] + b"!")
            refused(await gateway.check(f"oci://{there.host}/me/changed"), f"instead of sha256:{blob}")
            stored.write_bytes(component)
        kept = gateway.folder()
        address = f"oci://{there.host}/me/standard:wkg"
        with checks.check("the gateway that runs keeps what it has pulled"):
            await gateway.run(address, folder=kept)
    with checks.check("the gateway uses the copy when the registry is away, and says so"):
        outcome = await gateway.check(address, folder=kept)
        loaded(outcome, component)
        equal(there.host in outcome[1], True)
    with checks.check("the gateway refuses a registry that is away when it has no copy"):
        refused(await gateway.check(address), there.host)


async def with_password(checks, gateway, executable, work, component):
    async with registry(executable, work, password=True) as there:
        there.push("me/standard", "latest", *wkg(component))
        address = f"oci://{there.host}/me/standard"
        with checks.check("the gateway pulls with the login of Docker's configuration file"):
            loaded(await gateway.check(address, login=(there.host, USER, PASSWORD)), component)
        with checks.check("the gateway names the file whose login is refused"):
            refused(await gateway.check(address, login=(there.host, USER, "wrong")), "config.json", "is refused")
        with checks.check("the gateway names the registry that wants a login"):
            refused(await gateway.check(address), "config.json", f"no login for {there.host}")
        with checks.check("the gateway shows no password"):
            _, output = await gateway.check(address, login=(there.host, USER, "wrong secret"))
            equal("wrong secret" in output, False)


async def with_tokens(checks, gateway, executable, work, component):
    signer = Signer(work)
    with token_server(signer, basic(USER, PASSWORD)) as realm:
        async with registry(executable, work, signer=signer, realm=realm) as there:
            there.push("me/standard", "latest", *wkg(component))
            address = f"oci://{there.host}/me/standard"
            with checks.check("the gateway pulls with a token that it gets for the login"):
                loaded(await gateway.check(address, login=(there.host, USER, PASSWORD)), component)
            with checks.check("the gateway names the file whose login gets no token"):
                refused(await gateway.check(address, login=(there.host, USER, "wrong")), "/token", "config.json")


async def from_the_web(checks, gateway, work, component):
    signer = Signer(work)
    with web_server(signer, component) as address:
        trusting = {"SSL_CERT_FILE": str(signer.certificate)}
        with checks.check("the gateway fetches over TLS, from a server whose certificate SSL_CERT_FILE names"):
            loaded(await gateway.check(f"{address}/standard.wasm", environment=trusting), component)
        with checks.check("the gateway refuses a server whose certificate it does not know"):
            refused(await gateway.check(f"{address}/standard.wasm"), "invalid peer certificate", "SSL_CERT_FILE")
        for path, text in {
            "none": "404",
            "page": "is an HTML page",
            "large": f"has {TWO_GB} bytes",
            "downgrade": "from https to http",
        }.items():
            with checks.check(f"the gateway refuses /{path}: {text}"):
                refused(await gateway.check(f"{address}/{path}", environment=trusting), text)


async def run(arguments):
    # A SIGTERM ends the task, which stops every program that it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    checks = Checks()
    work = arguments.work / "run"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    gateway = Gateway(arguments.gateway, work)
    component = arguments.component.read_bytes()
    await without_login(checks, gateway, arguments.registry, work, component)
    await with_password(checks, gateway, arguments.registry, work, component)
    await with_tokens(checks, gateway, arguments.registry, work, component)
    await from_the_web(checks, gateway, work, component)
    return checks


def main():
    parser = argparse.ArgumentParser()
    for name in ("gateway", "registry", "work", "component"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    checks = asyncio.run(run(parser.parse_args()))
    print(checks.summary())
    sys.exit(checks.failed > 0)


main()
