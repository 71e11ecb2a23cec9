//! The WebSocket of a charge point: tungstenite's protocol on an asynchronous stream.
//!
//! Beside tokio-tungstenite's `WebSocketStream`, which one task may read and another write, and which keeps the waker of
//! each in allocations of their own: here one task does both, and whatever the stream has for it wakes it.

use hyper::body::Bytes;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The server's side of a connection whose handshake is done.
pub struct Socket<S> {
    stream: S,
    protocol: WebSocketContext,
    /// The stream took no more of what was sent: it has to before there is more.
    is_blocked: bool,
    /// Bytes arrived since the last [`take_received`](Self::take_received).
    has_received: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// `received` came before the handshake was over.
    pub fn new(stream: S, received: Bytes, config: WebSocketConfig) -> Self {
        let protocol = if received.is_empty() {
            WebSocketContext::new(Role::Server, Some(config))
        } else {
            WebSocketContext::from_partially_read(received.into(), Role::Server, Some(config))
        };
        Socket { stream, protocol, is_blocked: false, has_received: false }
    }

    /// The next message; the protocol answers pings and close frames by itself. `None`: the connection is over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let stream = &mut Polled { stream: &mut self.stream, cx, has_received: &mut self.has_received };
        match unless_blocked(self.protocol.read(stream)) {
            Poll::Ready(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => Poll::Ready(None),
            read => read.map(Some),
        }
    }

    /// Ready when [`start_send`](Self::start_send) may be called.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_blocked { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Adds a message to what the next [`poll_flush`](Self::poll_flush) writes. Much of it is written at once.
    pub fn start_send(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Error> {
        let stream = &mut Polled { stream: &mut self.stream, cx, has_received: &mut self.has_received };
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
        let stream = &mut Polled { stream: &mut self.stream, cx, has_received: &mut self.has_received };
        let flushed = ready!(unless_blocked(self.protocol.flush(stream)));
        self.is_blocked = false;
        Poll::Ready(match flushed {
            // The answer to a close frame was the last that there was to write.
            Err(Error::ConnectionClosed) => Ok(()),
            flushed => flushed,
        })
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
        std::mem::take(&mut self.has_received)
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
    has_received: &'a mut bool,
}

impl<S: AsyncRead + Unpin> Read for Polled<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer);
        let length = or_would_block(read).map(|()| buffer.filled().len())?;
        *self.has_received |= length > 0;
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
