//! Lets charge points in, one task each.

use crate::charge_point::{ChargePoint, Ending, Hall};
use crate::config::Ocpp;
use crate::handshake::{Knock, Refused, Terms};
use ocpp_gateway_core::{Attributes, Decision, Identity, Offer, Peer, Version};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::{StatusCode, header};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// How long to leave the kernel alone after it had no file descriptor left for us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Charge points that are sent away together shall not come back together: 1 to this many seconds later.
const RETRY_SPREAD: u32 = 10;

/// Who may come in, and where to.
pub struct Door {
    terms: Terms,
    max_connections: usize,
    /// Set once the broker has been reached for the first time.
    open: AtomicBool,
    hall: Arc<Hall>,
    /// All tasks of charge points.
    tasks: TaskTracker,
}

/// Whom the handshake let in.
struct Admitted {
    identity: Identity,
    /// `None`: there is none that both sides speak.
    version: Option<Version>,
    /// What the transforms that let it in know of it.
    attributes: Attributes,
}

impl Door {
    pub fn new(ocpp: &Ocpp, hall: Arc<Hall>, tasks: TaskTracker) -> std::io::Result<Self> {
        Ok(Door {
            terms: Terms::new(ocpp)?,
            max_connections: ocpp.max_connections,
            open: AtomicBool::new(false),
            hall,
            tasks,
        })
    }

    /// From now on charge points are let in.
    pub fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Accepts connections until `closed`.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, closed: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = closed.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let door = Arc::clone(&self);
                    self.tasks.spawn(async move { door.let_in(stream, address).await });
                }
                Err(error) => {
                    warn!("cannot accept connections: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn let_in(&self, stream: TcpStream, address: SocketAddr) {
        // Messages are small and each is waited for; a connection that is gone already shows soon enough.
        let _ = stream.set_nodelay(true);
        self.receive(stream, address).await;
    }

    /// Shakes hands over whatever carries the bytes, and has a task of its own talk on it.
    async fn receive<S>(&self, mut stream: S, address: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limit = self.terms.timeout();
        let shaken = tokio::time::timeout(limit, self.shake_hands(&mut stream, address)).await;
        let Admitted { identity, version, attributes } = match shaken.unwrap_or(Err(Refused::TimedOut(limit))) {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.hall.road.metrics.refused(&refused);
                info!(%address, "refused: {refused}");
                return refused.tell(&mut stream).await;
            }
        };
        let mut socket = self.terms.websocket(stream).await;
        let Some(version) = version else {
            self.hall.road.metrics.closed(Ending::NoCommonVersion.name());
            info!(%address, charge_point = %identity, "closed: {}", Ending::NoCommonVersion);
            return Ending::NoCommonVersion.close(&mut socket).await;
        };
        let peer = Peer { identity, version, connection: self.hall.registry.next_connection(), attributes };
        debug!(charge_point = %peer.identity, %address, "handshake done");
        // A task of its own, so that a connection does not hold on to the room that its handshake needed.
        self.tasks.spawn(ChargePoint::serve(Arc::clone(&self.hall), peer, socket));
    }

    /// Hears who is there, and lets it in or says why not.
    async fn shake_hands<S>(&self, stream: &mut S, address: SocketAddr) -> Result<Admitted, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let knock = self.terms.hear(stream).await?;
        let attributes = self.may_enter(&knock, address)?;
        let admitted = Admitted { identity: knock.identity.clone(), version: knock.version, attributes };
        self.terms.welcome(stream, knock).await?;
        Ok(admitted)
    }

    fn may_enter(&self, Knock { identity, request, .. }: &Knock, address: SocketAddr) -> Result<Attributes, Refused> {
        if !self.open.load(Ordering::Relaxed) {
            return Err(self.come_back("the broker has not been reached yet"));
        }
        let registry = &self.hall.registry;
        if registry.len() >= self.max_connections && !registry.contains(identity) {
            return Err(self.come_back("too many charge points are connected"));
        }
        if registry.refuses(identity) {
            return Err(Refused::status(StatusCode::FORBIDDEN, format!("{identity} is connected already")));
        }
        self.admit(identity, request, address)
    }

    /// Asks the transforms.
    fn admit(&self, identity: &Identity, request: &Request, address: SocketAddr) -> Result<Attributes, Refused> {
        let road = &self.hall.road;
        if !road.pipeline.has_admission() {
            return Ok(Attributes::new());
        }
        let (decision, mishaps) = road.pipeline.admit(&offer(identity, request, address));
        for mishap in mishaps {
            warn!(charge_point = %identity, transform = %mishap.transform, version = %mishap.version, "{}", mishap.cause);
        }
        match decision {
            Decision::Accept(attributes) => Ok(attributes),
            Decision::Refuse { status, reason } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
                Err(Refused::status(status, reason))
            }
        }
    }

    fn come_back(&self, reason: &str) -> Refused {
        let after = 1 + self.hall.registry.next_connection() % RETRY_SPREAD;
        Refused::unavailable(reason, Duration::from_secs(after.into()))
    }
}

/// What transforms get to know of a charge point that wants in: no credentials.
fn offer(identity: &Identity, request: &Request, address: SocketAddr) -> Offer {
    const WITHHELD: [header::HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers();
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().map(text).collect::<Vec<_>>().join(",");
    Offer {
        identity: identity.clone(),
        remote_address: address.to_string(),
        path: request.uri().path().to_owned(),
        protocols: protocols.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        headers: headers
            .iter()
            .filter(|(name, _)| !WITHHELD.contains(name))
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        user: None,
    }
}
