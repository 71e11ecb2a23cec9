"""permessage-deflate (RFC 7692) for the client of the cases: in the names that the cases know it by."""

import zlib

TAIL = b"\x00\x00\xff\xff"


class PerMessageDeflateOffer:
    def __init__(
        self,
        acceptNoContextTakeover=True,
        acceptMaxWindowBits=True,
        requestNoContextTakeover=False,
        requestMaxWindowBits=0,
    ):
        self.acceptNoContextTakeover, self.acceptMaxWindowBits = acceptNoContextTakeover, acceptMaxWindowBits
        self.requestNoContextTakeover, self.requestMaxWindowBits = requestNoContextTakeover, requestMaxWindowBits

    def __str__(self):
        parameters = ["permessage-deflate"]
        if self.acceptNoContextTakeover:
            parameters.append("client_no_context_takeover")
        if self.acceptMaxWindowBits:
            parameters.append("client_max_window_bits")
        if self.requestNoContextTakeover:
            parameters.append("server_no_context_takeover")
        if self.requestMaxWindowBits:
            parameters.append(f"server_max_window_bits={self.requestMaxWindowBits}")
        return "; ".join(parameters)


class PerMessageDeflateResponse:
    """What the server has answered, and the two ends of it."""

    def __init__(self, extension, offers):
        name, *parameters = (part.strip() for part in extension.split(";"))
        if name != "permessage-deflate":
            raise ConnectionError(f"extension {name!r} was not offered")
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        self.client_takeover = values.pop("client_no_context_takeover", None) is None
        self.server_takeover = values.pop("server_no_context_takeover", None) is None
        self.client_bits = int(values.pop("client_max_window_bits", 15))
        self.server_bits = int(values.pop("server_max_window_bits", 15))
        if values or len(parameters) > 4:
            raise ConnectionError(f"parameters {parameters}")
        if not any(self._answers(offer) for offer in offers):
            raise ConnectionError(f"{extension!r} is not what was offered")
        self._begin_sending()
        self._begin_receiving()

    def _answers(self, offer):
        takeover = not (offer.requestNoContextTakeover and self.server_takeover)
        window = not offer.requestMaxWindowBits or self.server_bits <= offer.requestMaxWindowBits
        return takeover and window

    def _begin_sending(self):
        # zlib has no window of 8 bits.
        self.compress = zlib.compressobj(wbits=-max(self.client_bits, 9))

    def _begin_receiving(self):
        self.decompress = zlib.decompressobj(wbits=-self.server_bits)

    def pack(self, message: bytes) -> bytes:
        packed = self.compress.compress(message) + self.compress.flush(zlib.Z_SYNC_FLUSH)
        if not self.client_takeover:
            self._begin_sending()
        return packed.removesuffix(TAIL)

    def unpack(self, payload: bytes) -> bytes:
        message = self.decompress.decompress(payload + TAIL)
        if not self.server_takeover:
            self._begin_receiving()
        return message


def PerMessageDeflateResponseAccept(response):
    return response


def PerMessageDeflateOfferAccept(*_, **__):
    """For servers."""
