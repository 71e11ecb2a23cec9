//! A client that compresses, a stream that does as it is told, and a server as the gateway has it.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use ocpp_gateway_deflate::{Agreed, DeflateStream, Limits, Settings, negotiate};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};
use zlib_rs::{Deflate, DeflateFlush};

pub(crate) const FINAL: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
pub(crate) const LIMITS: Limits = Limits { max_message_size: 1 << 20, waits_for_memory: false };

/// What is agreed on after an offer without parameters. A threshold of 0, so that short texts are compressed.
pub(crate) fn agreed(takeover: bool) -> Agreed {
    let settings =
        Settings { threshold: 0, server_takeover: takeover, client_takeover: takeover, ..Settings::default() };
    agreed_by("permessage-deflate", &settings)
}

pub(crate) fn agreed_by(offer: &str, settings: &Settings) -> Agreed {
    negotiate([offer], settings).expect("an agreement")
}

/// A frame of a client, its length in the shortest form.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let form = match payload.len() {
        0..126 => 0,
        126..65_536 => 2,
        _ => 8,
    };
    frame_in_form(first, payload, form)
}

/// `form`: bytes of the extended length, 0, 2 or 8.
pub(crate) fn frame_in_form(first: u8, payload: &[u8], form: usize) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let length = (payload.len() as u64).to_be_bytes();
    let short = match form {
        0 => payload.len() as u8,
        2 => 126,
        _ => 127,
    };
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [first, 0x80 | short].iter().chain(&length[8 - form..]).chain(&MASK).copied().chain(masked).collect()
}

/// The compressor of a client.
pub(crate) struct Packer {
    deflate: Deflate,
    takeover: bool,
}

impl Packer {
    pub(crate) fn new(takeover: bool, bits: u8) -> Self {
        // As clients do it, zlib having no window of 8 bits.
        Packer { deflate: Deflate::new(6, false, bits.max(9)), takeover }
    }

    /// The payload of a compressed message.
    pub(crate) fn pack(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            // zlib does not flush twice (RFC 7692 section 7.2.3.6).
            return vec![0];
        }
        let mut packed = self.run(message, DeflateFlush::SyncFlush);
        assert!(packed.ends_with(&TAIL));
        packed.truncate(packed.len() - TAIL.len());
        if !self.takeover {
            self.deflate.reset();
        }
        packed
    }

    /// One that ends with a final block, and the octet behind it (RFC 7692 section 7.2.3.4) if `octet`.
    pub(crate) fn pack_final(&mut self, message: &[u8], octet: bool) -> Vec<u8> {
        let mut packed = self.run(message, DeflateFlush::Finish);
        self.deflate.reset();
        packed.extend(octet.then_some(0));
        packed
    }

    fn run(&mut self, message: &[u8], flush: DeflateFlush) -> Vec<u8> {
        let mut packed = vec![0; message.len() + message.len() / 8 + 64];
        let before = self.deflate.total_out();
        self.deflate.compress(message, &mut packed, flush).expect("compressed");
        packed.truncate((self.deflate.total_out() - before) as usize);
        packed
    }
}

/// A compressed message in one frame, without takeover.
pub(crate) fn packed(first: u8, message: &[u8]) -> Vec<u8> {
    frame(FINAL | RSV1 | first, &Packer::new(false, 15).pack(message))
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

/// Reads the frames of a server.
pub(crate) fn sent(mut bytes: &[u8]) -> Vec<Sent> {
    let mut frames = Vec::new();
    while let [first, short, rest @ ..] = bytes {
        let (length, rest) = match short {
            126 => (u16::from_be_bytes(rest[..2].try_into().expect("two bytes")).into(), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().expect("eight bytes")) as usize, &rest[8..]),
            short => (usize::from(*short), rest),
        };
        frames.push(Sent { first: *first, payload: rest[..length].to_vec() });
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "half a frame");
    frames
}

/// The decompressor of a client, whose window is as large as was agreed on and no larger.
pub(crate) struct Unpacker {
    inflate: DecompressorOxide,
    window: Vec<u8>,
    position: usize,
    takeover: bool,
}

impl Unpacker {
    pub(crate) fn new(takeover: bool, bits: u8) -> Self {
        Unpacker { inflate: DecompressorOxide::new(), window: vec![0; 1 << bits], position: 0, takeover }
    }

    pub(crate) fn unpack(&mut self, payload: &[u8]) -> Result<Vec<u8>, TINFLStatus> {
        let packed = [payload, &TAIL].concat();
        let (mut left, mut message) = (packed.as_slice(), Vec::new());
        loop {
            let (window, position) = (&mut self.window, self.position);
            let (status, read, written) =
                decompress(&mut self.inflate, left, window, position, TINFL_FLAG_HAS_MORE_INPUT);
            left = &left[read..];
            message.extend_from_slice(&window[position..position + written]);
            self.position = (position + written) % window.len();
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput if left.is_empty() => break,
                status => return Err(status),
            }
        }
        if !self.takeover {
            self.inflate.init();
        }
        Ok(message)
    }
}

/// A stream of the test.
#[derive(Default)]
pub(crate) struct Script {
    /// What each read gets; an empty part is a read that is pending.
    pub(crate) reads: VecDeque<Vec<u8>>,
    /// The client has closed the stream behind that.
    pub(crate) is_closed: bool,
    pub(crate) written: Vec<u8>,
    /// Writes that the stream received.
    pub(crate) writes: usize,
    /// What each write takes; 0 for one that is pending. All of it if there is no more.
    pub(crate) room: VecDeque<usize>,
    pub(crate) is_shut_down: bool,
}

impl Script {
    pub(crate) fn reads(parts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Script { reads: parts.into_iter().collect(), ..Script::default() }
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut part) = self.reads.pop_front() else {
            return if self.is_closed { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        if part.is_empty() {
            return Poll::Pending;
        }
        let rest = part.split_off(part.len().min(buffer.remaining()));
        buffer.put_slice(&part);
        if !rest.is_empty() {
            self.reads.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let length = self.room.pop_front().unwrap_or(usize::MAX).min(bytes.len());
        if length == 0 {
            return Poll::Pending;
        }
        self.written.extend_from_slice(&bytes[..length]);
        self.writes += 1;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

/// tungstenite's server on the layer.
pub(crate) struct Server {
    pub(crate) stream: DeflateStream<Script>,
    protocol: WebSocketContext,
}

impl Server {
    pub(crate) fn new(script: Script, agreed: Agreed, limits: Limits) -> Self {
        let stream = DeflateStream::new(script, [], agreed, limits);
        let config = WebSocketConfig::default()
            .read_buffer_size(2 << 10)
            .write_buffer_size(4 << 10)
            .max_message_size(Some(limits.max_message_size))
            .max_frame_size(Some(limits.max_message_size));
        Server { stream, protocol: WebSocketContext::new(Role::Server, Some(config)) }
    }

    /// The next message. `Ok(None)`: pending.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Error> {
        or_none(self.protocol.read(&mut Blocking(&mut self.stream)))
    }

    /// The messages until reading is pending.
    pub(crate) fn all(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next().expect("a message")).collect()
    }

    /// The error that reading ends with.
    pub(crate) fn error(&mut self) -> Error {
        loop {
            match self.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("pending"),
                Err(error) => return error,
            }
        }
    }

    /// Sends a message, however often that is pending.
    pub(crate) fn send(&mut self, message: Message) {
        or_none(self.protocol.write(&mut Blocking(&mut self.stream), message)).expect("written");
        self.flush();
    }

    /// Queues a message for the next flush.
    pub(crate) fn feed(&mut self, message: Message) {
        or_none(self.protocol.write(&mut Blocking(&mut self.stream), message)).expect("written");
    }

    pub(crate) fn flush(&mut self) {
        while or_none(self.protocol.flush(&mut Blocking(&mut self.stream))).expect("flushed").is_none() {}
    }

    /// The frames that were sent.
    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        sent(&std::mem::take(&mut self.stream.get_mut().written))
    }
}

fn or_none<T>(done: Result<T, Error>) -> Result<Option<T>, Error> {
    match done {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}

/// A stream as tungstenite reads and writes it.
pub(crate) struct Blocking<'a, S>(pub(crate) &'a mut S);

impl<S: AsyncRead + Unpin> Read for Blocking<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut *self.0).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        or_would_block(read).map(|()| buffer.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.0).poll_write(&mut Context::from_waker(Waker::noop()), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_would_block(Pin::new(&mut *self.0).poll_flush(&mut Context::from_waker(Waker::noop())))
    }
}

fn or_would_block<T>(done: Poll<io::Result<T>>) -> io::Result<T> {
    match done {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

/// Text that compresses as JSON does, of exactly this length, with repetitions near and far.
pub(crate) fn text(random: &mut fastrand::Rng, length: usize) -> String {
    let words = ["\"value\":", "\"Voltage\",", "\"L1\",", "{\"context\":", "\"Sample.Periodic\",", "}],", "3.1", "ü"];
    let mut text = String::new();
    while text.len() < length {
        if random.u8(..8) == 0 {
            text += &random.u32(..).to_string();
        }
        text += words[random.usize(..words.len())];
    }
    while text.len() > length {
        text.pop();
    }
    text.extend(std::iter::repeat_n('x', length - text.len()));
    text
}
