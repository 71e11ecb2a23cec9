//! The stream between the client and tungstenite.

use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::settings::{Agreed, Limits};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that compresses and inflates messages on their way, or, if nothing was agreed on, only passes all bytes.
///
/// Compressed messages of the client are read as uncompressed ones, and messages are compressed when they are written:
/// see the [crate's documentation](crate). A frame that is written in parts is sent as it is; tungstenite writes each
/// frame at once.
pub struct DeflateStream<S> {
    stream: S,
    /// Boxed: a stream without the extension costs a pointer.
    layer: Option<Box<Layer>>,
}

struct Layer {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl<S> DeflateStream<S> {
    /// A stream without the extension.
    pub fn plain(stream: S) -> Self {
        DeflateStream { stream, layer: None }
    }

    /// A stream with the extension, after the handshake. `received`: bytes that arrived before the handshake was over,
    /// which are read first.
    pub fn new(stream: S, received: impl Into<Vec<u8>>, agreed: Agreed, limits: Limits) -> Self {
        let incoming = Incoming::new(received.into(), agreed.client_takeover, limits);
        DeflateStream { stream, layer: Some(Box::new(Layer { incoming, outgoing: Outgoing::new(agreed.compression) })) }
    }

    /// The bytes to reserve for the arriving compressed message, if it is not small: the largest size of a message, as
    /// its own is unknown. Reading is pending, and wakes no task, until it is [allowed](Self::allow). Only if
    /// [`Limits::waits_for_memory`] is set.
    pub fn wanted(&self) -> Option<usize> {
        self.layer.as_ref()?.incoming.wanted()
    }

    /// Lets all of the arriving compressed message arrive. The caller then polls for reading again.
    pub fn allow(&mut self) {
        if let Some(layer) = &mut self.layer {
            layer.incoming.allow();
        }
    }

    /// Whether the layer holds no bytes of the client, and is not within a compressed message.
    pub fn is_idle(&self) -> bool {
        self.layer.as_ref().is_none_or(|layer| layer.incoming.is_idle())
    }

    /// Whether the layer received any bytes since the last call, even if there was nothing to show for them. False
    /// without the extension.
    pub fn take_received(&mut self) -> bool {
        self.layer.as_mut().is_some_and(|layer| layer.incoming.take_received())
    }

    /// The underlying stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The underlying stream. To read from or write to it disturbs the layer.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DeflateStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let DeflateStream { stream, layer } = self.get_mut();
        match layer {
            None => Pin::new(stream).poll_read(cx, buffer),
            Some(layer) => layer.incoming.poll_read(stream, cx, buffer),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DeflateStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let DeflateStream { stream, layer } = self.get_mut();
        match layer {
            None => Pin::new(stream).poll_write(cx, bytes),
            Some(layer) => layer.outgoing.poll_write(stream, cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let DeflateStream { stream, layer } = self.get_mut();
        if let Some(layer) = layer {
            ready!(layer.outgoing.poll_drain(stream, cx))?;
        }
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let DeflateStream { stream, layer } = self.get_mut();
        if let Some(layer) = layer {
            ready!(layer.outgoing.poll_drain(stream, cx))?;
            layer.incoming.end();
        }
        Pin::new(stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.layer.is_none() {
            return Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| &**slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.layer.is_none() && self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connection_keeps_few_bytes() {
        assert!(size_of::<Layer>() < 200, "{}", size_of::<Layer>());
        assert_eq!(size_of::<DeflateStream<u64>>(), 16);
    }
}
