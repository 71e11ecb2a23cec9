//! From the client to tungstenite.

use crate::codec::Decompressor;
use crate::error::DeflateError;
use crate::frame::{BINARY, CONTINUATION, FINAL, Follower, OPCODE, RESERVED, RSV1, TEXT};
use crate::message::{Message, Next};
use crate::queue::Queue;
use crate::settings::Limits;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// The state of the incoming data.
pub(crate) struct Incoming {
    max_message_size: usize,
    waits_for_memory: bool,
    is_takeover: bool,
    /// Frames are not looked at any more.
    is_over: bool,
    has_received: bool,
    /// An uncompressed message is between its frames, or within one.
    is_in_plain: bool,
    passing: Follower,
    /// The compressed message that arrives. Boxed, as it is rarely present.
    message: Option<Box<Message>>,
    /// The decompressor of the connection.
    kept: Option<Decompressor>,
    /// Bytes from the client behind a compressed message.
    rest: Queue,
    /// A frame to show.
    shown: Queue,
}

enum Step {
    /// The buffer has bytes.
    Filled,
    /// Bytes of the client are needed.
    Read,
    /// Memory is needed.
    Wait,
}

impl Incoming {
    /// `received`: what arrived with the handshake.
    pub(crate) fn new(received: Vec<u8>, is_takeover: bool, limits: Limits) -> Self {
        Incoming {
            max_message_size: limits.max_message_size,
            waits_for_memory: limits.waits_for_memory,
            is_takeover,
            is_over: false,
            has_received: false,
            is_in_plain: false,
            passing: Follower::default(),
            message: None,
            kept: None,
            rest: Queue::from_vec(received, 0),
            shown: Queue::default(),
        }
    }

    pub(crate) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = self.read_frames(stream, cx, buffer);
        if let Poll::Ready(Err(_)) = read {
            self.end();
        }
        read
    }

    fn read_frames<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.step(buffer)? {
                Step::Filled => return Poll::Ready(Ok(())),
                Step::Wait => return Poll::Pending,
                Step::Read => {}
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buffer))?;
            let read = &buffer.filled()[before..];
            if read.is_empty() {
                // The end of the stream.
                return Poll::Ready(Ok(()));
            }
            self.has_received = true;
            let passed = self.pass(read)?;
            let taken = passed + self.take(&read[passed..])?;
            self.rest.buffer().extend_from_slice(&read[taken..]);
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// What can be done without reading.
    fn step(&mut self, buffer: &mut ReadBuf<'_>) -> Result<Step, DeflateError> {
        loop {
            if !self.shown.is_empty() {
                let length = self.shown.len().min(buffer.remaining());
                buffer.put_slice(&self.shown.as_slice()[..length]);
                self.shown.take(length);
                return Ok(Step::Filled);
            }
            if let Some(message) = &mut self.message {
                match message.next(self.max_message_size)? {
                    Next::Frame(frame) => {
                        self.shown = frame;
                        continue;
                    }
                    Next::Last(frame, kept) => {
                        (self.shown, self.kept, self.message) = (frame, kept, None);
                        continue;
                    }
                    Next::NeedsMemory => return Ok(Step::Wait),
                    Next::NeedsBytes => {}
                }
            }
            if self.rest.is_empty() {
                return Ok(Step::Read);
            }
            let rest = std::mem::take(&mut self.rest);
            let bytes = rest.as_slice();
            let passed = self.pass(&bytes[..bytes.len().min(buffer.remaining())])?;
            buffer.put_slice(&bytes[..passed]);
            let taken = if passed > 0 { passed } else { self.take(bytes)? };
            self.rest = rest;
            self.rest.take(taken);
            if passed > 0 {
                return Ok(Step::Filled);
            }
        }
    }

    /// How many bytes at the front belong to frames that pass unchanged.
    fn pass(&mut self, bytes: &[u8]) -> Result<usize, DeflateError> {
        let mut passed = 0;
        while self.is_between_packed()
            && let Some(&first) = bytes.get(passed)
        {
            if self.passing.is_between() {
                if self.is_packed(first)? {
                    break;
                }
                match first & OPCODE {
                    TEXT | BINARY | CONTINUATION => self.is_in_plain = first & FINAL == 0,
                    _ => {}
                }
            }
            passed += self.passing.advance(&bytes[passed..]);
        }
        Ok(passed)
    }

    /// Whether the frame with this first byte is part of a compressed message. Frames that tungstenite refuses are not.
    fn is_packed(&self, first: u8) -> Result<bool, DeflateError> {
        Ok(match (first & OPCODE, first & RESERVED) {
            (CONTINUATION, 0) => self.message.is_some(),
            (TEXT | BINARY, _) if self.message.is_some() => {
                return Err(DeflateError::Protocol("a message begins inside another"));
            }
            (TEXT | BINARY, RSV1) => !self.is_in_plain,
            _ => false,
        })
    }

    /// The next byte is the first of a frame, or belongs to one that passes.
    fn is_between_packed(&self) -> bool {
        self.message.as_ref().is_none_or(|message| message.is_between_frames())
    }

    /// Takes frames of a compressed message from the front, until it is complete or another frame begins: how many
    /// bytes.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, DeflateError> {
        let mut taken = 0;
        while self.passing.is_between()
            && let Some(&first) = bytes.get(taken)
        {
            if self.message.as_ref().is_some_and(|message| message.is_complete()) {
                break;
            }
            if self.is_between_packed() && !self.is_packed(first)? {
                break;
            }
            let (takeover, is_allowed) = (self.is_takeover, self.is_takeover || !self.waits_for_memory);
            let new = || Box::new(Message::new(first & OPCODE, takeover, is_allowed, self.kept.take()));
            taken += self.message.get_or_insert_with(new).take(&bytes[taken..], self.max_message_size)?;
        }
        Ok(taken)
    }

    /// Does not look at frames any more.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        (self.message, self.kept) = (None, None);
        (self.rest, self.shown) = (Queue::default(), Queue::default());
    }

    /// See [`DeflateStream::wanted`](crate::DeflateStream::wanted).
    pub(crate) fn wanted(&self) -> Option<usize> {
        self.message.as_ref()?.is_waiting().then_some(self.max_message_size)
    }

    pub(crate) fn allow(&mut self) {
        if let Some(message) = &mut self.message {
            message.allow();
        }
    }

    pub(crate) fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.has_received)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.message.is_none() && self.shown.is_empty() && self.rest.is_empty()
    }
}
