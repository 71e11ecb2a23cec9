"""A whole session over wss with a password: OCPP's security profile 2."""

import asyncio
import ssl

import websockets

import sessions
from checks import equal
from programs import gateway

PASSWORD = "a:password/with?all@kinds of%signs"


async def secure(checks, executable, broker, logs, ports):
    folder = logs / "secure"
    folder.mkdir(exist_ok=True)
    certificate, key, users = folder / "server.crt", folder / "server.key", folder / "users"
    await said(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
    )
    users.write_bytes(await said(executable, "user", "third-party-16", input=PASSWORD.encode()))
    settings = {
        "OCPP_GATEWAY__OCPP__CALL_TIMEOUT": "3s",
        "OCPP_GATEWAY__OCPP__TLS__CERT": str(certificate),
        "OCPP_GATEWAY__OCPP__TLS__KEY": str(key),
        "OCPP_GATEWAY__OCPP__AUTH__MODE": "basic",
        "OCPP_GATEWAY__OCPP__AUTH__USERS": str(users),
    }
    async with gateway(executable, broker, folder, **settings) as port:
        context = ssl.create_default_context(cafile=certificate)
        safe = ports(port, broker, context, PASSWORD)
        await sessions.session_16(checks, safe, "1.6 over wss")
        with checks.check("wss: a wrong password is 401"):
            try:
                async with sessions.connect(safe._replace(password="wrong"), "third-party-16", "ocpp1.6"):
                    raise AssertionError("let in")
            except websockets.InvalidStatus as refused:
                equal(refused.response.status_code, 401)
                equal(refused.response.headers["WWW-Authenticate"], 'Basic realm="ocpp"')


async def said(*command, input=None):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    output, complaints = await process.communicate(input)
    if process.returncode != 0:
        raise RuntimeError(f"{command}: {complaints.decode()}")
    return output
