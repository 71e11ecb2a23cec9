//! The answer to a request for a WebSocket.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::server::{Response, write_response};

/// Writes head and body at once.
pub(super) async fn write<S: AsyncWrite + Unpin>(stream: &mut S, head: &Response, body: &str) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(256 + body.len());
    write_response(&mut bytes, head).map_err(io::Error::other)?;
    bytes.extend_from_slice(body.as_bytes());
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// The same, and then waits for the other side to close: closing a socket with unread data in it sends a reset, which may
/// overtake the answer.
pub(super) async fn write_last<S>(stream: &mut S, head: &Response, body: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    write(stream, head, body).await?;
    stream.shutdown().await?;
    let mut scrap = [0; 1024];
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}
