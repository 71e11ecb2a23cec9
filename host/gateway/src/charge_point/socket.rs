//! The WebSocket of a charge point: tungstenite's protocol on an asynchronous stream.
//!
//! Not tokio-tungstenite's `WebSocketStream`: that allows one task to read and another to write, and allocates a waker
//! for each. Here one task does both and registers its own waker with the stream.
//!
//! Of a message that is not small, only the beginning is read before memory is reserved for all of it
//! ([`Socket::wanted`]). tungstenite keeps buffers as large as the largest message, so they are freed after each such
//! message.

mod frames;

use frames::Frames;
use hyper::body::Bytes;
use ocpp_gateway_deflate::{Agreed, DeflateStream, Limits};
use ocpp_gateway_mqtt::Reservation;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Messages of at most this many bytes are read without reserving memory.
pub(super) const SMALL: usize = 4 << 10;

/// The server side of a WebSocket connection after the handshake.
pub struct Socket<S> {
    /// Compresses and inflates messages, if that was agreed on.
    stream: DeflateStream<S>,
    protocol: WebSocketContext,
    /// The stream accepts no more data: it has to be flushed before the next message is sent.
    is_blocked: bool,
    /// Data that was sent, including tungstenite's own pongs, may not be in the stream yet.
    is_unflushed: bool,
    /// The buffers have grown beyond the size for small messages.
    has_grown: bool,
    /// Upper bound of the bytes in the write buffer.
    unsent: u32,
    incoming: Incoming,
}

/// Memory that is reserved for an arriving message.
struct MessageMemory {
    memory: Reservation,
    /// See [`Socket::reserved_until`].
    until: Instant,
}

/// The state of the incoming data.
#[derive(Default)]
struct Incoming {
    /// Bytes arrived since the last [`Socket::take_received`].
    has_received: bool,
    frames: Frames,
    longest: u32,
    /// For the arriving message. Boxed, as it is rarely present.
    reserved: Option<Box<MessageMemory>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// `received`: data that arrived before the handshake was over. `agreed`: how messages are compressed.
    pub fn new(stream: S, received: Bytes, config: WebSocketConfig, agreed: Option<Agreed>) -> Self {
        let max_message_size = config.max_message_size.unwrap_or(usize::MAX);
        let longest = u32::try_from(max_message_size).unwrap_or(u32::MAX);
        let mut incoming = Incoming { longest, ..Incoming::default() };
        let (stream, received) = match agreed {
            Some(agreed) => {
                let limits = Limits { max_message_size, waits_for_memory: true };
                (DeflateStream::new(stream, received, agreed, limits), Bytes::new())
            }
            None => (DeflateStream::plain(stream), received),
        };
        incoming.frames.advance(&received);
        let protocol = if received.is_empty() {
            WebSocketContext::new(Role::Server, Some(config))
        } else {
            WebSocketContext::from_partially_read(received.into(), Role::Server, Some(config))
        };
        let (is_blocked, is_unflushed, has_grown, unsent) = (false, false, false, 0);
        Socket { stream, protocol, is_blocked, is_unflushed, has_grown, unsent, incoming }
    }

    /// The next message. tungstenite answers pings and close frames by itself. `None`: the connection is over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.has_grown
            && self.is_between_messages()
            && let Err(error) = ready!(self.poll_flush(cx))
        {
            return Poll::Ready(Some(Err(error)));
        }
        let stream = &mut Polled { stream: &mut self.stream, cx, incoming: &mut self.incoming };
        let read = unless_blocked(self.protocol.read(stream));
        self.has_grown |= self.incoming.reserved.is_some();
        match read {
            Poll::Ready(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => Poll::Ready(None),
            Poll::Ready(Ok(message)) => {
                self.incoming.frames.take();
                // tungstenite queues an answer to these.
                self.is_unflushed |= matches!(message, Message::Ping(_) | Message::Close(_));
                Poll::Ready(Some(Ok(message)))
            }
            read => read.map(Some),
        }
    }

    /// Size in bytes of the arriving message, if reading stops until memory for it is [reserved](Self::reserve).
    pub fn wanted(&self) -> Option<usize> {
        self.incoming.wanted().or_else(|| self.stream.wanted())
    }

    /// Reserves `memory` for the arriving message, until the message is taken out and its buffer is freed. `until`: see
    /// [`reserved_until`](Self::reserved_until).
    pub fn reserve(&mut self, memory: Reservation, until: Instant) {
        self.incoming.reserved = Some(Box::new(MessageMemory { memory, until }));
        self.stream.allow();
    }

    /// Whether everything that arrived was taken out.
    fn is_between_messages(&self) -> bool {
        self.incoming.frames.is_empty() && self.stream.is_idle()
    }

    /// While memory is reserved for a message: the deadline that was given to [`reserve`](Self::reserve), which the
    /// caller may move.
    pub fn reserved_until(&mut self) -> Option<&mut Instant> {
        self.incoming.reserved.as_mut().map(|reserved| &mut reserved.until)
    }

    /// Bytes that were sent but may still be in the write buffer.
    pub fn unsent(&self) -> usize {
        self.unsent as usize
    }

    /// Ready when [`start_send`](Self::start_send) may be called.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_blocked { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Queues a message for the next [`poll_flush`](Self::poll_flush). If the write buffer is full, it is written at
    /// once.
    pub fn start_send(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Error> {
        self.is_unflushed = true;
        self.has_grown |= message.len() > SMALL;
        self.unsent = self.unsent.saturating_add(u32::try_from(message.len()).unwrap_or(u32::MAX));
        let stream = &mut Polled { stream: &mut self.stream, cx, incoming: &mut self.incoming };
        match unless_blocked(self.protocol.write(stream, message)) {
            Poll::Ready(sent) => sent,
            // The message itself was queued.
            Poll::Pending => {
                self.is_blocked = true;
                Ok(())
            }
        }
    }

    /// Ready when everything that was sent is written to the stream.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let stream = &mut Polled { stream: &mut self.stream, cx, incoming: &mut self.incoming };
        let flushed = ready!(unless_blocked(self.protocol.flush(stream)));
        self.is_blocked = false;
        if flushed.is_ok() {
            self.is_unflushed = false;
            self.free_grown_buffers();
        }
        Poll::Ready(match flushed {
            // The answer to a close frame was written.
            Err(Error::ConnectionClosed) => Ok(()),
            flushed => flushed,
        })
    }

    /// Frees buffers that have grown, if they are empty.
    fn free_grown_buffers(&mut self) {
        if self.has_grown && self.is_between_messages() && self.protocol.can_write() {
            let config = *self.protocol.get_config();
            self.protocol = WebSocketContext::new(Role::Server, Some(config));
            self.incoming.reserved = None;
            self.has_grown = false;
        }
        if !self.has_grown {
            self.unsent = 0;
        }
    }

    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Sends a message after everything that is queued, and waits until it is written to the stream.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.flush().await?;
        let mut message = Some(message);
        poll_fn(|cx| Poll::Ready(message.take().map_or(Ok(()), |message| self.start_send(cx, message)))).await?;
        self.flush().await
    }

    /// Whether any data arrived since the last call, even part of a message.
    pub fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.incoming.has_received) | self.stream.take_received()
    }

    /// The underlying stream.
    pub fn stream(&mut self) -> &mut DeflateStream<S> {
        &mut self.stream
    }
}

/// Turns `WouldBlock` into `Pending`: the stream has registered the waker.
fn unless_blocked<T>(done: Result<T, Error>) -> Poll<Result<T, Error>> {
    match done {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

/// A stream with the context of the current poll, as the blocking `Read` and `Write` that tungstenite needs.
struct Polled<'a, 'c, S> {
    stream: &'a mut DeflateStream<S>,
    cx: &'a mut Context<'c>,
    incoming: &'a mut Incoming,
}

impl Incoming {
    fn wanted(&self) -> Option<usize> {
        let size = self.frames.message_size(SMALL, self.longest as usize);
        let kept = self.reserved.as_ref().map_or(SMALL, |reserved| reserved.memory.bytes());
        (size > kept).then_some(size)
    }

    /// Whether so much memory is reserved already, for the message before.
    fn has_reserved(&self, bytes: usize) -> bool {
        self.reserved.as_ref().is_some_and(|reserved| reserved.memory.bytes() >= bytes)
    }
}

impl<S: AsyncRead + Unpin> Read for Polled<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.wanted().is_some() {
            return Err(ErrorKind::WouldBlock.into());
        }
        // The buffer of a large message takes nothing behind it, so that it can be freed afterwards.
        let missing = self.incoming.frames.missing();
        let is_large = self.incoming.reserved.is_some() && missing > 0;
        let length = if is_large { missing.min(buffer.len()) } else { buffer.len() };
        let mut buffer = ReadBuf::new(&mut buffer[..length]);
        let read = loop {
            let read = Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer);
            match self.stream.wanted() {
                // A second reservation beside the first could wait for it: connections that hold one would block each other.
                Some(bytes) if read.is_pending() && self.incoming.has_reserved(bytes) => self.stream.allow(),
                _ => break read,
            }
        };
        let length = or_would_block(read).map(|()| buffer.filled().len())?;
        self.incoming.has_received |= length > 0;
        self.incoming.frames.advance(buffer.filled());
        Ok(length)
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_would_block(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}

fn or_would_block<T>(done: Poll<io::Result<T>>) -> io::Result<T> {
    match done {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
