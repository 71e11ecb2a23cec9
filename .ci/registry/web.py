"""A web server with a component, and with what is none."""

import ssl
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tokens import serving

TWO_GB = 2_000_000_000


@contextmanager
def web_server(signer, component):
    """A server over TLS with the certificate of `signer`; its address, without a slash at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            match self.path:
                case "/standard.wasm":
                    self.answer("application/wasm", component, len(component))
                case "/page":
                    self.answer("text/html", b"<!doctype html><title>Log in</title>", 36)
                case "/large":
                    self.answer("application/wasm", component, TWO_GB)
                case "/downgrade":
                    self.send_response(302)
                    self.send_header("Location", f"http://{self.headers['Host']}/standard.wasm")
                    self.end_headers()
                case _:
                    self.send_error(404)

        def answer(self, media_type, content, length):
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signer.certificate, signer.key)
    with serving(Handler, tls) as host:
        yield f"https://{host}"
