"""The client that the cases of the suite give their orders to: as autobahn's own, in the little of it that they use.

Texts are str with a character for each byte; the cases for compression have bytes.
"""

import heapq
import itertools
import os
import socket
import struct
import time

from deflate import PerMessageDeflateResponse
from suite import CODES, STATES

# As in autobahn: how long the other side may take to answer a close frame, and to close its connection then.
CLOSE_TIMEOUT = 1.0
DROP_TIMEOUT = 1.0


def masked(mask: bytes, data: bytes) -> bytes:
    if not data:
        return data
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")


class Factory:
    isServer = False


class Protocol:
    """One connection, from the handshake until it is closed."""

    factory = Factory()
    autoFragmentSize = 0
    createWirelog = False
    trafficStats = None

    def __init__(self, address, path):
        self.address, self.path = address, path
        # Set by the cases for compression.
        self.perMessageCompressionOffers = []
        self.perMessageCompressionAccept = lambda response: None
        self._perMessageCompress = None
        self.state = STATES["STATE_CONNECTING"]
        self.received = bytearray()
        self.message = None
        self.timers = []
        self.order = itertools.count()
        self.txFrameStats = {}
        self.connectionWasOpen = False
        self.closedByMe = self.failedByMe = self.droppedByMe = self.wasClean = False
        self.localCloseCode = self.localCloseReason = self.remoteCloseCode = self.remoteCloseReason = None

    def _shake_hands(self):
        self.socket = socket.create_connection(self.address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        offers = ", ".join(map(str, self.perMessageCompressionOffers))
        extensions = f"Sec-WebSocket-Extensions: {offers}\r\n" if offers else ""
        request = (
            f"GET {self.path} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"{extensions}\r\n"
        )
        self.socket.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.socket.recv(4096)
            if not data:
                raise ConnectionError(f"no handshake: {head!r}")
            head += data
        head, rest = head.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"no handshake: {head!r}")
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "sec-websocket-extensions":
                response = PerMessageDeflateResponse(value, self.perMessageCompressionOffers)
                self._perMessageCompress = self.perMessageCompressionAccept(response)
        self.received += rest
        self.state, self.connectionWasOpen = STATES["STATE_OPEN"], True

    def run(self, case):
        self.case = case
        self._shake_hands()
        case.onOpen()
        while self.state != STATES["STATE_CLOSED"]:
            self._wait()
        self.socket.close()
        case.onConnectionLost(self.failedByMe)

    def _wait(self):
        """For bytes, or for the next timer."""
        self._take_frames()
        if self.state == STATES["STATE_CLOSED"]:
            return
        wait = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else 60.0
        # At 0 a socket would not block at all.
        self.socket.settimeout(max(wait, 0.0001))
        try:
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            data = None
        except OSError:
            data = b""
        if data is None:
            if not self.timers:
                return self._drop()
        elif data == b"":
            self.state = STATES["STATE_CLOSED"]
        else:
            self.received += data
            self._take_frames()
        while self.timers and self.timers[0][0] <= time.monotonic() and self.state != STATES["STATE_CLOSED"]:
            heapq.heappop(self.timers)[2]()

    def _later(self, delay, action):
        heapq.heappush(self.timers, (time.monotonic() + delay, next(self.order), action))

    def _drop(self):
        self.droppedByMe, self.wasClean = True, False
        self.state = STATES["STATE_CLOSED"]

    # ---- what comes in -------------------------------------------------------------------------------------------

    def _take_frames(self):
        while self.state != STATES["STATE_CLOSED"]:
            frame = self._take_frame()
            if frame is None:
                return
            self._handle(*frame)

    def _take_frame(self):
        data = self.received
        if len(data) < 2:
            return None
        length, head = data[1] & 0x7F, 2
        if length == 126:
            head = 4
        elif length == 127:
            head = 10
        if len(data) < head:
            return None
        if head > 2:
            length = int.from_bytes(data[2:head], "big")
        if len(data) < head + length:
            return None
        is_packed = bool(data[0] & 0x40) and self._perMessageCompress is not None and data[0] & 0x0F in (1, 2)
        if data[0] & 0x70 and not (is_packed and data[0] & 0x30 == 0) or data[1] & 0x80:
            raise ConnectionError("a frame of a server has no mask, and reserved bits only if its message is compressed")
        frame = bool(data[0] & 0x80), data[0] & 0x0F, bytes(data[head : head + length]), is_packed
        del data[: head + length]
        return frame

    def _handle(self, fin, opcode, payload, is_packed):
        text = payload.decode("latin-1") if opcode > 2 else None
        if opcode in (1, 2):
            self.message = (opcode == 2, [payload], is_packed)
        elif opcode == 0:
            self.message[1].append(payload)
        elif opcode == 8:
            return self._closed(payload)
        elif opcode == 9:
            self.sendFrame(opcode=10, payload=text)
            return self.case.onPing(text)
        elif opcode == 10:
            return self.case.onPong(text)
        if fin:
            binary, parts, is_packed = self.message
            self.message = None
            message = b"".join(parts)
            if is_packed:
                message = self._perMessageCompress.unpack(message)
            if self.state == STATES["STATE_OPEN"]:
                self.case.onMessage(message if self._perMessageCompress else message.decode("latin-1"), binary)

    def _closed(self, payload):
        if len(payload) >= 2:
            self.remoteCloseCode = int.from_bytes(payload[:2], "big")
            self.remoteCloseReason = payload[2:].decode("utf-8")
        self.wasClean = True
        if self.state == STATES["STATE_OPEN"]:
            self.sendCloseFrame(code=CODES["CLOSE_STATUS_CODE_NORMAL"], isReply=True)
        self._later(DROP_TIMEOUT, self._drop)
        self.case.onClose(True, self.remoteCloseCode, self.remoteCloseReason)

    # ---- what the cases ask for ----------------------------------------------------------------------------------

    def _write(self, data):
        if self.state == STATES["STATE_CLOSED"]:
            return
        self.socket.settimeout(60)
        try:
            self.socket.sendall(data)
        except OSError:
            # It has closed already; what it had to say can still be read.
            pass

    def _head(self, opcode, fin, rsv, length, mask):
        first = (0x80 if fin else 0) | rsv % 8 << 4 | opcode % 128
        if length <= 125:
            return struct.pack("!BB", first, 0x80 | length) + mask
        if length <= 0xFFFF:
            return struct.pack("!BBH", first, 0x80 | 126, length) + mask
        return struct.pack("!BBQ", first, 0x80 | 127, length) + mask

    def sendFrame(
        self, opcode, payload="", fin=True, rsv=0, mask=None, payload_len=None, chopsize=None, sync=False
    ):
        data = payload if isinstance(payload, bytes) else payload.encode("latin-1")
        if payload_len is not None:
            data = (data * (payload_len // len(data) + 1))[:payload_len] if data else b""
        mask = mask.encode("latin-1") if mask else os.urandom(4)
        self.txFrameStats[opcode] = self.txFrameStats.get(opcode, 0) + 1
        frame = self._head(opcode, fin, rsv, len(data), mask) + masked(mask, data)
        if chopsize:
            for start in range(0, len(frame), chopsize):
                self._write(frame[start : start + chopsize])
        else:
            self._write(frame)

    def sendMessage(self, payload, isBinary=False, fragmentSize=None):
        rsv = 0
        if self._perMessageCompress:
            rsv, payload = 4, self._perMessageCompress.pack(payload)
        size = fragmentSize or self.autoFragmentSize or max(len(payload), 1)
        starts = range(0, max(len(payload), 1), size)
        for start in starts:
            opcode = (2 if isBinary else 1) if start == 0 else 0
            self.sendFrame(opcode, payload[start : start + size], fin=start == starts[-1], rsv=rsv if start == 0 else 0)

    def beginMessage(self, opcode=1):
        self.begun = opcode

    def beginMessageFrame(self, length):
        self.frame_mask, self.sent = os.urandom(4), 0
        self._write(self._head(self.begun, False, 0, length, self.frame_mask))
        self.begun = 0

    def sendMessageFrameData(self, payload, sync=False):
        turn = self.sent % 4
        self._write(masked(self.frame_mask[turn:] + self.frame_mask[:turn], payload.encode("latin-1")))
        self.sent += len(payload)

    def endMessage(self):
        self.sendFrame(0, "", fin=True)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        if self.state != STATES["STATE_OPEN"]:
            return
        payload = struct.pack("!H", code).decode("latin-1") if code is not None else ""
        self.sendFrame(8, payload + (reasonUtf8 or ""))
        self.state = STATES["STATE_CLOSING"]
        self.closedByMe = not isReply
        self.localCloseCode, self.localCloseReason = code, reasonUtf8
        if self.closedByMe:
            self._later(CLOSE_TIMEOUT, self._close_timeout)

    def sendClose(self, code=None, reason=None):
        self.sendCloseFrame(code, reason.encode("utf-8").decode("latin-1") if reason else None)

    def _close_timeout(self):
        if not self.wasClean:
            self._drop()

    def continueLater(self, delay, action, tag=None):
        self._later(delay, action)

    def killAfter(self, delay):
        self._later(delay, self._fail)

    def _fail(self):
        self.failedByMe = True
        self.sendCloseFrame(CODES["CLOSE_STATUS_CODE_GOING_AWAY"])

    def closeAfter(self, delay):
        self._later(delay, self.sendClose)

    def enableWirelog(self, enable):
        pass


for name, value in CODES.items():
    setattr(Protocol, name, value)
