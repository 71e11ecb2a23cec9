"""HAProxy in front of the gateway: it speaks TLS_RSA, checks client certificates, and hands their common name on."""

import ssl
from contextlib import asynccontextmanager

import websockets

import sessions
from checks import equal, raises
from programs import free_port, gateway, program
from secure import said

ID = "third-party-16"  # the charge point of the session
SERIAL = "SN-4711"  # the common name of its certificate

# A00.FR.318; the last two have no ECDHE, and the gateway itself does not speak them.
SUITES = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
]

CONFIGURATION = """
global
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-ciphers ECDHE+AESGCM:AES128-GCM-SHA256:AES256-GCM-SHA384
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
frontend charge-points
    bind 127.0.0.1:{port} ssl crt {folder}/tls.pem ca-file {folder}/ca.crt verify {verify}
    tcp-request session reject unless {{ ssl_c_s_dn(O) -m str "Example CPO" }}{unless}
    default_backend gateway
backend gateway
    server gateway 127.0.0.1:{gateway} {send}
"""


async def terminator(checks, executable, broker, logs, ports):
    folder = logs / "terminator"
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    await make_certificates(folder)
    settings = {
        "OCPP_GATEWAY__OCPP__CALL_TIMEOUT": "3s",
        "OCPP_GATEWAY__OCPP__TRUSTED_PROXIES": '["127.0.0.1"]',
        "OCPP_GATEWAY__OCPP__AUTH__PROXY_CERTIFICATE": "true",
        "OCPP_GATEWAY__OCPP__AUTH__PROXY_IDENTITIES": f'{{ "{SERIAL}" = "{ID}" }}',
    }
    async with gateway(executable, broker, folder, **settings) as plain:
        async with haproxy(folder, plain) as port:
            # `password` is in the URL, and the gateway asks for none.
            known = ports(port, broker, context(folder, "station"), "-")
            await sessions.session_16(checks, known, "1.6 behind HAProxy")
            for suite in SUITES:
                with checks.check(f"HAProxy: {suite}, and the identity is that of the certificate"):
                    tls = context(folder, "station", suite)
                    async with sessions.connect(known._replace(tls=tls), ID, "ocpp1.6") as socket:
                        equal(socket.transport.get_extra_info("cipher")[0], suite)
            with checks.check("HAProxy: the certificate of another charge point is 403"):
                other = known._replace(tls=context(folder, "other"))
                await refused(other, 403, "the certificate is not the one of third-party-16")
            with checks.check("HAProxy: a certificate of another organization is not let in"):
                foreign = known._replace(tls=context(folder, "foreign"))
                await raises((OSError, websockets.InvalidHandshake, EOFError), opened(foreign))
        async with haproxy(folder, plain, verify="optional", unless=" or !{ ssl_c_used }") as port:
            with checks.check("HAProxy: without a certificate it is 403"):
                none = ports(port, broker, context(folder, None), "-")
                await refused(none, 403, "the charge point has shown none to the proxy")
        async with haproxy(folder, plain, send="send-proxy-v2-ssl") as port:
            with checks.check("HAProxy: without the common name it is 403"):
                nameless = ports(port, broker, context(folder, "station"), "-")
                await refused(nameless, 403, "HAProxy does with send-proxy-v2-ssl-cn")
        with checks.check("past HAProxy it is 403"):
            await refused(ports(plain, broker), 403, "no client certificate")


@asynccontextmanager
async def haproxy(folder, gateway_port, verify="required", unless="", send="send-proxy-v2-ssl-cn"):
    """HAProxy in front of the gateway on this port; its own port."""
    port = free_port()
    config = folder / f"haproxy-{port}.cfg"
    values = {"port": port, "folder": folder, "gateway": gateway_port, "verify": verify, "unless": unless, "send": send}
    config.write_text(CONFIGURATION.format(**values))
    # -db: in the foreground.
    async with program("haproxy", "-db", "-f", config, log=folder / f"haproxy-{port}.log", port=port):
        yield port


def context(folder, client, suite=None):
    tls = ssl.create_default_context(cafile=folder / "ca.crt")
    if client:
        tls.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    if suite:
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        tls.set_ciphers(suite)
    return tls


async def opened(ports):
    async with sessions.connect(ports, ID, "ocpp1.6"):
        pass


async def refused(ports, status, reason):
    problem = await raises(websockets.InvalidStatus, opened(ports))
    equal(problem.response.status_code, status)
    text = problem.response.body.decode()
    if reason not in text:
        raise AssertionError(f"{text!r} where {reason!r} was wanted")


async def make_certificates(folder):
    ec, rsa = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), ("rsa:2048",)
    root = ("-subj", "/CN=ca", "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    await said("openssl", "req", "-x509", "-newkey", *ec, "-nodes", "-days", "1", *root)
    server = ("/CN=localhost", "subjectAltName=DNS:localhost")
    for name, key, (subject, extension) in [
        ("ecdsa", ec, server),
        ("rsa", rsa, server),
        ("station", ec, (f"/O=Example CPO/CN={SERIAL}", "extendedKeyUsage=clientAuth")),
        ("other", ec, ("/O=Example CPO/CN=CP2", "extendedKeyUsage=clientAuth")),
        ("foreign", ec, (f"/O=Another CPO/CN={SERIAL}", "extendedKeyUsage=clientAuth")),
    ]:
        ca = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key")
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")
        options = ("-nodes", "-days", "1", "-subj", subject, "-addext", extension)
        await said("openssl", "req", "-x509", "-newkey", *key, *ca, *options, *files)
    for kind in ["ecdsa", "rsa"]:
        both = (folder / f"{kind}.crt").read_bytes() + (folder / f"{kind}.key").read_bytes()
        (folder / f"tls.pem.{kind}").write_bytes(both)
