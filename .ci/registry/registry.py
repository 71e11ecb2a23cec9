"""Debian's docker-registry on loopback, and pushing to it."""

import base64
import json
import urllib.request
from contextlib import asynccontextmanager
from urllib.parse import urljoin

from layouts import digest
from programs import free_port, program
from tokens import ISSUER, SERVICE

USER, PASSWORD = "user", "a password"
# Of that password, by `htpasswd -nbB`: the registry knows bcrypt alone.
HTPASSWD = "user:$2y$05$abcdefghijklmnopqrstuu2sM.EEHj4jPcCa5rwqJGg1PNBllkZXy\n"


class Registry:
    """A running registry. `host`: its host and port; `authorization`: makes the header for pushing to a repository."""

    def __init__(self, port):
        self.host = f"127.0.0.1:{port}"
        self.authorization = None

    def push(self, repository, tag, manifest, blobs):
        """Pushes blobs and a manifest or index; returns its digest."""
        content = json.dumps(manifest).encode()
        for blob in blobs:
            self._push_blob(repository, blob)
        for name in (tag, digest(content)):
            self._request(repository, "PUT", f"/v2/{repository}/manifests/{name}", content, manifest["mediaType"])
        return digest(content)

    def _push_blob(self, repository, blob):
        started = self._request(repository, "POST", f"/v2/{repository}/blobs/uploads/")
        location = started.headers["Location"]
        sign = "&" if "?" in location else "?"
        self._request(repository, "PUT", f"{location}{sign}digest={digest(blob)}", blob, "application/octet-stream")

    def _request(self, repository, method, path, content=None, media_type=None):
        headers = {"Content-Type": media_type} if media_type else {}
        if self.authorization:
            headers["Authorization"] = self.authorization(repository)
        url = urljoin(f"http://{self.host}/", path)
        # Without the proxies of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(url, content if content is not None else b"", headers, method=method)
        with opener.open(request, timeout=30) as response:
            response.read()
            return response


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@asynccontextmanager
async def registry(executable, work, *, password=False, signer=None, realm=None):
    """A registry with an empty storage of its own.

    `password`: it wants user and password. `signer`, `realm`: it wants tokens of this signer, from this address.
    """
    port = free_port()
    folder = work / f"registry-{port}"
    folder.mkdir(parents=True)
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if password:
        (folder / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "checks", "path": str(folder / "htpasswd")}}
    if signer:
        config["auth"] = {
            "token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(signer.certificate)}
        }
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(config))
    log = folder / "registry.log"
    async with program(executable, "serve", folder / "config.yml", log=log, port=port):
        there = Registry(port)
        if password:
            there.authorization = lambda repository: basic(USER, PASSWORD)
        if signer:
            there.authorization = lambda repository: f"Bearer {signer.token(f'repository:{repository}:pull,push', USER)}"
        yield there
