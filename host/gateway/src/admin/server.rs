//! The HTTP server of the admin API. It uses hyper directly, because `axum::serve` limits neither the time that it
//! waits for a request nor the number of clients.

use super::tls::{self, AdminTls, Beginning};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// How long a client may take to send the head of each request, and for a TLS handshake. After that, the connection is
/// closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at the same time; more wait in the kernel. Up to 32 of them may be watchers of events.
pub(super) const MAX_CONNECTIONS: usize = 128;
/// How long an answer may take to complete once the gateway has stopped.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after `accept` failed, usually for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until `closed` is cancelled, then completes those in progress. Requests have the address that they
/// come from, a [`SocketAddr`], as an extension.
///
/// `tls`: of the listener; `None`: it speaks plain HTTP.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Arc<AdminTls>>, closed: CancellationToken) {
    let server = Server { router, tls, closed, header_timeout: HEADER_TIMEOUT };
    serve_within(listener, server, MAX_CONNECTIONS).await;
}

/// What all connections share.
#[derive(Clone)]
struct Server {
    router: Router,
    tls: Option<Arc<AdminTls>>,
    closed: CancellationToken,
    header_timeout: Duration,
}

async fn serve_within(listener: TcpListener, server: Server, max_connections: usize) {
    let closed = server.closed.clone();
    let (permits, tasks) = (Arc::new(Semaphore::new(max_connections)), TaskTracker::new());
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!("the admin listener cannot accept connections: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let server = server.clone();
            tasks.spawn(async move {
                server.welcome(stream, address).await;
                drop(permit);
            });
        }
    };
    closed.run_until_cancelled(accept).await;
    tasks.close();
    tasks.wait().await;
}

impl Server {
    /// Answers the requests of a client, after a TLS handshake if the listener wants one.
    async fn welcome(self, stream: TcpStream, address: SocketAddr) {
        // Events are small and must not be delayed.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.answer(stream, address).await };
        let beginning = timeout(self.header_timeout, tls.begin(stream));
        let begun = self.closed.run_until_cancelled(beginning).await;
        match begun {
            Some(Ok(Ok(Beginning::Tls(stream)))) => self.answer(*stream, address).await,
            Some(Ok(Ok(Beginning::Plain(stream)))) => {
                Server { router: tls::refusal(), ..self }.answer(stream, address).await;
            }
            Some(Ok(Err(error))) => debug!(%address, "no TLS with the admin listener: {error}"),
            // The client has begun nothing in time, or the gateway stops.
            Some(Err(_)) | None => {}
        }
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, address: SocketAddr) {
        let mut builder = Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.header_timeout);
        let pages = TowerToHyperService::new(self.router);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(SocketAddr::new(address.ip().to_canonical(), address.port()));
            pages.call(request)
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // A connection error concerns only its client.
        if self.closed.run_until_cancelled(connection.as_mut()).await.is_none() {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(ANSWER_TIMEOUT, connection).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    const TIMEOUT: Duration = Duration::from_secs(60);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    async fn start(
        router: Router,
        header_timeout: Duration,
        max_connections: usize,
    ) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let closed = CancellationToken::new();
        let server = Server { router, tls: None, closed: closed.clone(), header_timeout };
        let served = serve_within(listener, server, max_connections);
        (address, closed, tokio::spawn(served))
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request).await.expect("sent");
        stream
    }

    async fn answer_of(mut stream: TcpStream) -> String {
        let mut text = String::new();
        timeout(TIMEOUT, stream.read_to_string(&mut text)).await.expect("an end").expect("text");
        text
    }

    #[tokio::test]
    async fn silent_clients_are_disconnected_and_free_their_connections() {
        let router = Router::new().route("/", get(async || "here"));
        let (address, ..) = start(router, Duration::from_millis(50), 2).await;
        let silent = [ask(address, b"").await, ask(address, b"GET / HTTP/1.1\r\nHost:").await];
        assert!(answer_of(ask(address, REQUEST).await).await.ends_with("here"));
        for stream in silent {
            let answer = answer_of(stream).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }

    #[tokio::test]
    async fn connections_are_limited_and_open_requests_answered_on_shutdown() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move || {
                begun.notify_one();
                go_on.notified().await;
                "late"
            }
        };
        let (address, closed, served) = start(Router::new().route("/", get(handler)), TIMEOUT, 1).await;
        let first = ask(address, REQUEST).await;
        timeout(TIMEOUT, begun.notified()).await.expect("it has begun");
        // The second connection stays in the kernel's queue.
        let second = ask(address, REQUEST).await;
        assert!(timeout(Duration::from_millis(100), begun.notified()).await.is_err());
        closed.cancel();
        go_on.notify_one();
        assert!(answer_of(first).await.ends_with("late"));
        timeout(TIMEOUT, served).await.expect("it ends").expect("no panic");
        drop(second);
    }
}
