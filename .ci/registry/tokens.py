"""A token server, as registries name one: for user and password, it gives a token for what is asked (Docker's "Token
Authentication").
"""

import base64
import json
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ISSUER, SERVICE = "checks", "registry of the checks"


REQUEST = """
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = checks
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
"""


class Signer:
    """A key, and a certificate of itself, for tokens and for a server on 127.0.0.1."""

    def __init__(self, folder):
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        (folder / "request.cnf").write_text(REQUEST)
        subprocess.run(
            ["openssl", "req", "-x509", "-config", folder / "request.cnf", "-newkey", "rsa:2048", "-noenc", "-days", "2",
             "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        lines = self.certificate.read_text().splitlines()
        self.der = "".join(line for line in lines if not line.startswith("-"))

    def token(self, scope, user):
        """A JSON Web Token for a scope such as `repository:me/standard:pull`."""
        kind, name, actions = scope.split(":")
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": SERVICE, "sub": user, "jti": str(now), "iat": now, "nbf": now - 60, "exp": now + 300,
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }  # fmt: skip
        header = {"typ": "JWT", "alg": "RS256", "x5c": [self.der]}
        signed = f"{packed(json.dumps(header).encode())}.{packed(json.dumps(claims).encode())}"
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), check=True, capture_output=True
        ).stdout
        return f"{signed}.{packed(signature)}"


def packed(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@contextmanager
def token_server(signer, authorization):
    """A token server for this header `Authorization`; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            query = parse_qs(urlsplit(self.path).query)
            if self.headers["Authorization"] != authorization:
                self.send_error(401)
            elif query.get("service") != [SERVICE] or len(query.get("scope", [])) != 1:
                self.send_error(400)
            else:
                content = json.dumps({"token": signer.token(query["scope"][0], "user")}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    with serving(Handler) as host:
        yield f"http://{host}/token"


@contextmanager
def serving(handler, tls=None):
    """A server with this handler; its host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
