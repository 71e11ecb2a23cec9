//! HTTP on a connection before it becomes a WebSocket: hyper reads the request and writes the response.

use super::refused::Refused;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1::{Builder, Connection};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a refused client gets to read the response.
const LINGER: Duration = Duration::from_secs(1);

/// A connection on which one request is read and answered.
///
/// hyper runs only while the request is read and while the response is written. In between the caller decides, for as
/// long as it needs, and nothing is read.
pub struct Handshake<S: AsyncRead + AsyncWrite + Unpin> {
    connection: Connection<TokioIo<S>, Relay>,
    request: oneshot::Receiver<Request<Incoming>>,
    /// `None`: hyper needs no response any more.
    response: Option<oneshot::Sender<Response<String>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<S> {
    /// A request head of more than `max_header_size` bytes, or 100 header lines, gets 431.
    pub(super) fn new(stream: S, max_header_size: usize) -> Self {
        let (to_reader, request) = oneshot::channel();
        let (response, to_writer) = oneshot::channel();
        let relay = Relay(Cell::new(Some((to_reader, to_writer))));
        let mut builder = Builder::new();
        // A client that has closed its half after the request still gets a response.
        builder.max_header_size(max_header_size).half_close(true);
        let connection = builder.serve_connection(TokioIo::new(stream), relay);
        Handshake { connection, request, response: Some(response) }
    }

    /// Reads the head of the request. hyper itself answers invalid HTTP with 400 or 431.
    pub(super) async fn read_request(&mut self) -> Result<Request<()>, Refused> {
        let read = poll_fn(|cx| {
            let ended = self.connection.poll_without_shutdown(cx);
            match self.request.try_recv() {
                Ok(request) => Poll::Ready(Ok(request)),
                Err(_) => ended.map(|ended| Err(ended.err())),
            }
        });
        match read.await {
            Ok(request) if request.body().is_end_stream() => Ok(request.map(drop)),
            Ok(_) => Err(Refused::NotWebSocket("the request has a body".into())),
            Err(error) => {
                self.response = None;
                Err(error.map_or_else(|| Refused::NoRequest, not_http))
            }
        }
    }

    /// Writes the response.
    pub(super) async fn respond(&mut self, response: Response<String>) -> Result<(), hyper::Error> {
        let Some(waiting) = self.response.take() else { return Ok(()) };
        // The receiver exists: it is in hyper's pending service call.
        let _ = waiting.send(response);
        poll_fn(|cx| self.connection.poll_without_shutdown(cx)).await
    }

    /// Tells a client why it is refused, and waits up to `LINGER` until it has read the response.
    pub async fn refuse(mut self, refused: &Refused) {
        let Some(response) = refused.response() else { return };
        let refusing = async {
            self.respond(response).await.map_err(io::Error::other)?;
            let (mut stream, _) = self.into_parts();
            stream.shutdown().await?;
            // Closing a socket with unread data sends a reset, which can overtake the response: read to the end first.
            let mut discarded = [0; 1024];
            while stream.read(&mut discarded).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        // The connection is over even if the client did not read the response.
        let _ = timeout(LINGER, refusing).await;
    }

    /// The stream, and data after the request that was read already.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

/// Passes the request to [`Handshake::read_request`], and the response of [`Handshake::respond`] to hyper.
struct Relay(Cell<Option<(ToReader, ToWriter)>>);

type ToReader = oneshot::Sender<Request<Incoming>>;
type ToWriter = oneshot::Receiver<Response<String>>;

impl Service<Request<Incoming>> for Relay {
    type Response = Response<String>;
    type Error = oneshot::error::RecvError;
    type Future = oneshot::Receiver<Response<String>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match self.0.take() {
            Some((reader, response)) => {
                // The receiver lives as long as the connection.
                let _ = reader.send(request);
                response
            }
            // Every response ends HTTP on its connection, so there is no second request. It would get no response.
            None => oneshot::channel().1,
        }
    }
}

/// The refusal for an error of hyper, which has answered the client already if it could.
fn not_http(error: hyper::Error) -> Refused {
    if error.is_parse_too_large() {
        return Refused::HeaderTooLarge;
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Refused::NotWebSocket(format!("{error}{cause}"))
}
