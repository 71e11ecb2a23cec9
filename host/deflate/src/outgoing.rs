//! From tungstenite to the client.

use crate::codec::Compressor;
use crate::frame::{self, BINARY, FINAL, Follower, Header, OPCODE, RESERVED, RSV1, TEXT};
use crate::queue::Queue;
use crate::settings::{Compression, WindowBits};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Bytes that are collected for one write to the stream, if the last message does not make them more.
const COLLECTED: usize = 16 << 10;

/// The state of the outgoing data.
pub(crate) struct Outgoing {
    compression: Compression,
    passing: Follower,
    /// The compressor of the connection.
    kept: Option<Box<Compressor>>,
    /// What the stream has not taken yet.
    queue: Queue,
}

impl Outgoing {
    pub(crate) fn new(compression: Compression) -> Self {
        Outgoing { compression, passing: Follower::default(), kept: None, queue: Queue::default() }
    }

    /// Takes frames. Those of a burst with compressed messages go to the stream together.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(stream, cx))?;
        let mut passing = self.passing;
        let plain = self.plain(&mut passing, bytes);
        // Few bytes before a compressed message are copied, which is cheaper than a write.
        if plain == bytes.len() || plain > COLLECTED {
            let written = ready!(Pin::new(stream).poll_write(cx, &bytes[..plain]))?;
            self.passed(&bytes[..written.min(plain)]);
            return Poll::Ready(Ok(written));
        }
        let mut taken = 0;
        while taken < bytes.len() && self.queue.len() < COLLECTED {
            let mut passing = self.passing;
            let plain = self.plain(&mut passing, &bytes[taken..]);
            self.passing = passing;
            self.queue.buffer().extend_from_slice(&bytes[taken..taken + plain]);
            taken += plain;
            taken += self.compress(&bytes[taken..])?;
        }
        match self.poll_drain(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The rest waits in the queue, for the next write or flush.
            _ => Poll::Ready(Ok(taken)),
        }
    }

    /// Ready when the queue is empty.
    pub(crate) fn poll_drain<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, self.queue.as_slice()))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.queue.take(written);
        }
        Poll::Ready(Ok(()))
    }

    /// How many bytes at the front belong to frames that are sent as they are.
    fn plain(&self, passing: &mut Follower, bytes: &[u8]) -> usize {
        let mut plain = 0;
        while plain < bytes.len() && !(passing.is_between() && self.message(&bytes[plain..]).is_some()) {
            plain += passing.advance(&bytes[plain..]);
        }
        plain
    }

    /// Follows frames that were sent as they are.
    fn passed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.passing.advance(bytes)..];
        }
    }

    /// The frame at the front, if it is a complete message to compress: its header and payload.
    fn message<'a>(&self, bytes: &'a [u8]) -> Option<(Header, &'a [u8])> {
        let header = Header::parse(bytes)?;
        let length = usize::try_from(header.length).ok()?;
        let is_message = header.is_final()
            && header.first & RESERVED == 0
            && matches!(header.first & OPCODE, TEXT | BINARY)
            && header.mask.is_none();
        // An empty message would not get shorter, and zlib does not flush without new data.
        let is_right_size =
            length > 0 && header.length >= self.compression.threshold.into() && length <= self.longest();
        let payload = bytes.get(header.size..header.size.checked_add(length)?)?;
        (is_message && is_right_size).then_some((header, payload))
    }

    /// zlib does not limit its window to 256 bytes, but refers to nothing outside of a message.
    fn longest(&self) -> usize {
        const EIGHT_BITS: usize = 1 << 8;
        if self.compression.window == WindowBits::MIN { EIGHT_BITS } else { usize::MAX }
    }

    /// Compresses the message at the front, if there is one: its bytes.
    fn compress(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some((header, payload)) = self.message(bytes) else { return Ok(0) };
        let frame = header.size + payload.len();
        let mut packed = Vec::with_capacity(payload.len() / 2);
        let is_takeover = self.compression.is_takeover;
        let compressed = if is_takeover {
            let compressor = self.kept.get_or_insert_with(|| Box::new(Compressor::new(self.compression)));
            compressor.run(payload, &mut packed)
        } else {
            Compressor::with_idle(self.compression, |compressor| compressor.run(payload, &mut packed))
        };
        let queue = self.queue.buffer();
        match compressed {
            // With a history, the client needs what the compressor has seen.
            Some(()) if packed.len() < payload.len() || is_takeover => {
                frame::write_header(queue, header.first | RSV1 | FINAL, packed.len());
                queue.extend_from_slice(&packed);
            }
            None if is_takeover => return Err(io::Error::other("a message cannot be compressed")),
            _ => queue.extend_from_slice(&bytes[..frame]),
        }
        Ok(frame)
    }
}
