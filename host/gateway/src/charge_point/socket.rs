//! The WebSocket of a charge point: tungstenite's protocol on an asynchronous stream.
//!
//! Beside tokio-tungstenite's `WebSocketStream`, which one task may read and another write, and which keeps the waker of
//! each in allocations of their own: here one task does both, and whatever the stream has for it wakes it.
//!
//! Of a message that is not small no more is read than its beginning before there is memory for all of it
//! ([`Socket::wanted`]). tungstenite keeps buffers as large as the largest message: they are given back after each such message.

mod frames;

use frames::Frames;
use hyper::body::Bytes;
use ocpp_gateway_mqtt::Reservation;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A message of so many bytes, or fewer, is read without asking for memory.
pub(super) const SMALL: usize = 4 << 10;

/// The server's side of a connection whose handshake is done.
pub struct Socket<S> {
    stream: S,
    protocol: WebSocketContext,
    /// The stream took no more of what was sent: it has to before there is more.
    is_blocked: bool,
    /// Some of what was sent, if only a pong of the protocol's own, may not be with the stream.
    is_unflushed: bool,
    /// The buffers have grown beyond what small messages take.
    is_swollen: bool,
    /// Bytes that may be in the buffer for what is sent.
    unsent: u32,
    incoming: Incoming,
}

/// Memory is kept for a message.
struct MessageMemory {
    memory: Reservation,
    /// See [`Socket::admitted_until`].
    until: Instant,
}

/// What arrives.
#[derive(Default)]
struct Incoming {
    /// Bytes arrived since the last [`Socket::take_received`].
    has_received: bool,
    frames: Frames,
    longest: u32,
    /// For the message that is arriving. In a box, as there is none nearly always.
    admitted: Option<Box<MessageMemory>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// `received` came before the handshake was over.
    pub fn new(stream: S, received: Bytes, config: WebSocketConfig) -> Self {
        let longest = u32::try_from(config.max_message_size.unwrap_or(usize::MAX)).unwrap_or(u32::MAX);
        let mut incoming = Incoming { longest, ..Incoming::default() };
        incoming.frames.advance(&received);
        let protocol = if received.is_empty() {
            WebSocketContext::new(Role::Server, Some(config))
        } else {
            WebSocketContext::from_partially_read(received.into(), Role::Server, Some(config))
        };
        let (is_blocked, is_unflushed, is_swollen, unsent) = (false, false, false, 0);
        Socket { stream, protocol, is_blocked, is_unflushed, is_swollen, unsent, incoming }
    }

    /// The next message; the protocol answers pings and close frames by itself. `None`: the connection is over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.is_swollen
            && self.incoming.frames.is_empty()
            && let Err(error) = ready!(self.poll_flush(cx))
        {
            return Poll::Ready(Some(Err(error)));
        }
        let stream = &mut Polled { stream: &mut self.stream, cx, incoming: &mut self.incoming };
        let read = unless_blocked(self.protocol.read(stream));
        self.is_swollen |= self.incoming.admitted.is_some();
        match read {
            Poll::Ready(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => Poll::Ready(None),
            Poll::Ready(Ok(message)) => {
                self.incoming.frames.take();
                // The protocol has an answer to these.
                self.is_unflushed |= matches!(message, Message::Ping(_) | Message::Close(_));
                Poll::Ready(Some(Ok(message)))
            }
            read => read.map(Some),
        }
    }

    /// Bytes that the message takes which is arriving, if nothing more is read of it before there is memory for it.
    pub fn wanted(&self) -> Option<usize> {
        self.incoming.wanted()
    }

    /// There is memory for the message that is arriving: it is kept until the message has been taken out, and the buffer that
    /// it was in has been given back. `until`: see [`admitted_until`](Self::admitted_until).
    pub fn admit(&mut self, memory: Reservation, until: Instant) {
        self.incoming.admitted = Some(Box::new(MessageMemory { memory, until }));
    }

    /// While memory is kept for a message: what was said when that began, to be changed at will.
    pub fn admitted_until(&mut self) -> Option<&mut Instant> {
        self.incoming.admitted.as_mut().map(|admitted| &mut admitted.until)
    }

    /// Bytes of what was sent that are still held here.
    pub fn unsent(&self) -> usize {
        self.unsent as usize
    }

    /// Ready when [`start_send`](Self::start_send) may be called.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_blocked { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Adds a message to what the next [`poll_flush`](Self::poll_flush) writes. Much of it is written at once.
    pub fn start_send(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Error> {
        self.is_unflushed = true;
        self.is_swollen |= message.len() > SMALL;
        self.unsent = self.unsent.saturating_add(u32::try_from(message.len()).unwrap_or(u32::MAX));
        let stream = &mut Polled { stream: &mut self.stream, cx, incoming: &mut self.incoming };
        match unless_blocked(self.protocol.write(stream, message)) {
            Poll::Ready(sent) => sent,
            // The message itself was taken.
            Poll::Pending => {
                self.is_blocked = true;
                Ok(())
            }
        }
    }

    /// Ready when all that was sent is with the stream.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let stream = &mut Polled { stream: &mut self.stream, cx, incoming: &mut self.incoming };
        let flushed = ready!(unless_blocked(self.protocol.flush(stream)));
        self.is_blocked = false;
        if flushed.is_ok() {
            self.is_unflushed = false;
            self.give_back();
        }
        Poll::Ready(match flushed {
            // The answer to a close frame was the last that there was to write.
            Err(Error::ConnectionClosed) => Ok(()),
            flushed => flushed,
        })
    }

    /// Gives back buffers that have grown, if there is nothing in them.
    fn give_back(&mut self) {
        if self.is_swollen && self.incoming.frames.is_empty() && self.protocol.can_write() {
            let config = *self.protocol.get_config();
            self.protocol = WebSocketContext::new(Role::Server, Some(config));
            self.incoming.admitted = None;
            self.is_swollen = false;
        }
        if !self.is_swollen {
            self.unsent = 0;
        }
    }

    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Sends a message, after everything else, and waits until it is with the stream.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.flush().await?;
        let mut message = Some(message);
        poll_fn(|cx| Poll::Ready(message.take().map_or(Ok(()), |message| self.start_send(cx, message)))).await?;
        self.flush().await
    }

    /// Whether anything arrived, if only a part of a message, since this was last asked.
    pub fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.incoming.has_received)
    }

    /// What carries it.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }
}

/// Where an operation of the protocol has to wait for the stream, the stream has noted whom to wake.
fn unless_blocked<T>(done: Result<T, Error>) -> Poll<Result<T, Error>> {
    match done {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

/// A stream while its task is polled, as the protocol wants it.
struct Polled<'a, 'c, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'c>,
    incoming: &'a mut Incoming,
}

impl Incoming {
    fn wanted(&self) -> Option<usize> {
        let size = self.frames.message_size(SMALL, self.longest as usize);
        let kept = self.admitted.as_ref().map_or(SMALL, |admitted| admitted.memory.bytes());
        (size > kept).then_some(size)
    }
}

impl<S: AsyncRead + Unpin> Read for Polled<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.wanted().is_some() {
            return Err(ErrorKind::WouldBlock.into());
        }
        // Nothing comes behind a large message into its buffer, which can be given back then.
        let missing = self.incoming.frames.missing();
        let is_large = self.incoming.admitted.is_some() && missing > 0;
        let length = if is_large { missing.min(buffer.len()) } else { buffer.len() };
        let mut buffer = ReadBuf::new(&mut buffer[..length]);
        let read = Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer);
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
