//! Accepts connections of charge points, and starts a task for each. `authorize`: which of them may connect.

mod authorize;

use super::authentication::{Security, VerifiedClient};
use super::counts::ListenerCounts;
use super::handshake::{Handshake, HandshakeSettings, Refused};
use super::limits::{AddressPermit, AddressRoom, ConnectionLimits, SocketPermit};
use super::proxies::{ProxiedTls, Proxies};
use crate::charge_point::{Arrival, ChargePoint, ClientAddress, Context, DisconnectReason};
use crate::config::{AccessRule, Listener, Origin, may_connect};
use crate::operations::refusals::Refusal;
use hyper::StatusCode;
use ocpp_gateway_core::rate::Admission;
use ocpp_gateway_core::{Attributes, Identity, Peer, Version};
use ocpp_gateway_deflate::Agreed;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

/// `Retry-After` of refusals is between 1 and this many seconds, so that charge points do not all return at once.
const RETRY_SPREAD: u32 = 10;

/// The attribute of charge points with the beginning of the topics of their listener.
const MOUNTPOINT: &str = "mountpoint";

/// Accepts connections of one listener, and starts charge points or refuses them.
pub(super) struct Acceptor {
    /// The name of the listener.
    listener: Arc<str>,
    settings: HandshakeSettings,
    access: Vec<AccessRule>,
    /// What all its charge points have in common.
    attributes: Attributes,
    security: Arc<Security>,
    proxies: Proxies,
    /// Origins of web pages that may connect without authentication.
    origins: Vec<Origin>,
    /// The key that lists them.
    origins_key: String,
    limits: ConnectionLimits,
    context: Arc<Context>,
    /// The tasks of all connections.
    tasks: TaskTracker,
    counts: Arc<ListenerCounts>,
    /// Cancelled when the listener is removed, or another acceptor takes the place of this one: handshakes end then.
    retired: CancellationToken,
}

/// The result of a successful handshake.
struct AcceptedUpgrade {
    identity: Identity,
    /// `None`: client and gateway have no version in common.
    version: Option<Version>,
    /// Those of the listener, and those that admission transforms gave to the charge point.
    attributes: Attributes,
    /// How messages are compressed. `None`: not at all.
    deflate: Option<Agreed>,
}

impl Acceptor {
    pub(super) fn new(
        listener: &Listener,
        security: Arc<Security>,
        counts: Arc<ListenerCounts>,
        context: Arc<Context>,
        tasks: TaskTracker,
    ) -> Self {
        Acceptor {
            listener: Arc::from(&*listener.name),
            settings: HandshakeSettings::new(listener),
            access: listener.access.clone(),
            attributes: common_attributes(listener),
            security,
            proxies: Proxies::new(listener.trusted_proxies.clone()),
            origins: listener.origins.clone(),
            origins_key: listener.key("origins"),
            limits: ConnectionLimits::new(listener, Arc::clone(&counts.sockets), context.router.metrics.clone()),
            context,
            tasks,
            counts,
            retired: CancellationToken::new(),
        }
    }

    /// Reserves limits for a new socket and starts its task. Connections over the limit of their address do not count
    /// towards the accept rate, so that they do not delay other addresses.
    pub(super) fn on_accept(self: Arc<Self>, stream: TcpStream, address: ClientAddress) {
        let Some(socket) = self.limits.socket() else { return self.close_unanswered(&Refused::NoRoom, address) };
        let mut pending = PendingConnection {
            address,
            socket,
            handshake: None,
            over_address_limit: false,
            admission: None,
            client: None,
            proxied_tls: ProxiedTls::NoProxy,
            identity: None,
        };
        // The client address of a connection from a proxy is known later.
        if !self.proxies.trusts(address)
            && let Err(refused) = self.claim_address(&mut pending)
        {
            return self.close_unanswered(&refused, address);
        }
        if !pending.over_address_limit {
            pending.admission = self.limits.admit();
        }
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                biased;
                () = self.retired.cancelled() => {}
                () = self.accept(stream, pending) => {}
            }
        });
    }

    /// Ends the handshakes that are not over yet. What they would be accepted by no longer holds.
    pub(super) fn retire(&self) {
        self.retired.cancel();
    }

    /// Counts a socket that is closed without a response, because there are too many to answer each.
    fn close_unanswered(&self, refused: &Refused, address: ClientAddress) {
        self.context.router.metrics.refused(refused.name());
        debug!(%address, listener = &*self.listener, "refused: {refused}");
        self.report(&self.refusal(&address, refused.name(), refused));
    }

    async fn accept(&self, mut stream: TcpStream, mut pending: PendingConnection) {
        if let Some(Admission::After(wait)) = pending.admission
            && !wait.is_zero()
        {
            tokio::time::sleep(wait).await;
        }
        // Messages are small and latency counts. An error means that the connection is closed, which the next read
        // reports.
        let _ = stream.set_nodelay(true);
        let by = tokio::time::Instant::now() + self.settings.timeout();
        if let Err(refused) = self.read_proxy_header(&mut stream, &mut pending, by).await {
            // No response: HTTP has not started.
            return self.record_refusal(&refused, &pending);
        }
        let Some(tls) = &self.security.tls else { return self.upgrade(stream, pending, by).await };
        let accepting = async {
            // The error of rustls is the same as for a client that leaves later, such as one that trusts no certificate.
            if matches!(stream.peek(&mut [0]).await, Ok(0)) {
                return Err(Refused::NoTls);
            }
            tls.accept(stream).await.map_err(Refused::from)
        };
        match timeout_at(by, accepting).await.unwrap_or_else(|_| Err(self.timed_out())) {
            Ok((stream, client)) => {
                pending.client = client;
                self.upgrade(stream, pending, by).await;
            }
            Err(refused) => self.record_refusal(&refused, &pending),
        }
    }

    /// Runs the HTTP handshake on `stream`, and starts the task of the charge point.
    async fn upgrade<S>(&self, stream: S, mut pending: PendingConnection, by: tokio::time::Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut handshake = self.settings.begin(stream);
        let accepted = timeout_at(by, self.run_handshake(&mut handshake, &mut pending)).await;
        let PendingConnection { address, .. } = pending;
        let accepted = accepted.unwrap_or_else(|_| Err(self.timed_out()));
        let AcceptedUpgrade { identity, version, attributes, deflate } = match accepted {
            Ok(accepted) => accepted,
            Err(refused) => {
                self.record_refusal(&refused, &pending);
                return handshake.refuse(&refused).await;
            }
        };
        let mut socket = self.settings.websocket(handshake, deflate);
        let Some(version) = version else {
            self.context.router.metrics.closed(DisconnectReason::NoCommonVersion.name());
            let reason = DisconnectReason::NoCommonVersion;
            info!(%address, listener = &*self.listener, charge_point = %identity, "closed: {reason}");
            let identity = Some(identity.as_str());
            self.report(&Refusal { identity, ..self.refusal(&address, reason.name(), &reason) });
            return reason.close(&mut socket).await;
        };
        let peer = Peer { identity, version, connection: self.context.registry.next_connection(), attributes };
        debug!(charge_point = %peer.identity, %address, "handshake done");
        self.counts.accepted.fetch_add(1, Ordering::Relaxed);
        let arrival = Arrival { address, listener: Arc::clone(&self.listener) };
        let serving = ChargePoint::serve(Arc::clone(&self.context), peer.clone(), arrival, socket, pending.socket);
        // It is registered now. Had it been before, it would have been told to end with the others.
        if self.retired.is_cancelled() {
            self.context.registry.kick_late(&peer);
        }
        // A separate task, so that the connection does not keep the memory of its handshake.
        self.tasks.spawn(serving);
    }

    /// Counts and logs a refusal. The log field is `identity`, not `charge_point`: the identity is not verified.
    fn record_refusal(&self, refused: &Refused, pending: &PendingConnection) {
        self.context.router.metrics.refused(refused.name());
        let PendingConnection { address, identity, client, .. } = pending;
        let subject = match refused {
            Refused::Tls { subject, .. } => subject.as_deref(),
            _ => client.as_ref().map(|client| client.subject.as_str()),
        };
        let identity = identity.as_ref().map(Identity::as_str);
        info!(%address, listener = &*self.listener, identity, certificate = subject, "refused: {refused}");
        let is_probe = refused.is_probe();
        let refusal = self.refusal(address, refused.name(), refused);
        self.report(&Refusal { identity, certificate: subject, is_probe, ..refusal });
    }

    /// A refusal of a client that is not known.
    fn refusal<'a>(&'a self, address: &'a ClientAddress, reason: &'static str, text: &'a dyn Display) -> Refusal<'a> {
        let (ip, listener) = (address.ip, &*self.listener);
        Refusal { ip, address, listener, identity: None, certificate: None, reason, text, is_probe: false }
    }

    /// Counts a refusal for this listener, and tells those who watch.
    fn report(&self, refusal: &Refusal<'_>) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        self.context.router.events.refused(refusal);
    }

    fn timed_out(&self) -> Refused {
        Refused::TimedOut(self.settings.timeout())
    }

    /// Reads the client address from the PROXY header, if the connection comes from a trusted proxy that sends one.
    async fn read_proxy_header(
        &self,
        stream: &mut TcpStream,
        pending: &mut PendingConnection,
        by: tokio::time::Instant,
    ) -> Result<(), Refused> {
        let proxy = pending.address;
        if !self.proxies.trusts(proxy) {
            return Ok(());
        }
        let client = timeout_at(by, self.proxies.client(stream, proxy)).await;
        let client = client.map_err(|_| self.timed_out())?.map_err(Refused::BadProxyHeader)?;
        (pending.address, pending.proxied_tls) = (client.address, client.tls);
        // Without a PROXY header, the request may have `X-Forwarded-For`.
        if self.proxies.trusts(pending.address) { Ok(()) } else { self.claim_address(pending) }
    }

    /// Refuses addresses that the access rules deny.
    fn check_access(&self, address: ClientAddress) -> Result<(), Refused> {
        if may_connect(&self.access, address.ip) {
            return Ok(());
        }
        let reason = format!("connections from {} are not allowed here", address.ip);
        Err(Refused::status(StatusCode::FORBIDDEN, reason))
    }

    /// Counts the connection and its handshake for its client address.
    fn claim_address(&self, pending: &mut PendingConnection) -> Result<(), Refused> {
        self.check_access(pending.address)?;
        match self.limits.claim_address(&mut pending.socket, pending.address.ip) {
            AddressRoom::Free => {}
            AddressRoom::Over => pending.over_address_limit = true,
            AddressRoom::Full => return Err(Refused::TooManyFromAddress),
        }
        if pending.handshake.is_none() {
            pending.handshake = Some(self.limits.handshake(pending.address.ip).ok_or(Refused::TooManyFromAddress)?);
        }
        Ok(())
    }

    /// Reads the request, checks it, and accepts it or returns why it is refused.
    async fn run_handshake<S>(
        &self,
        handshake: &mut Handshake<S>,
        pending: &mut PendingConnection,
    ) -> Result<AcceptedUpgrade, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = self.settings.read_request(handshake).await?;
        pending.identity = Some(request.identity.clone());
        let attributes = self.authorize(&request, pending).await?;
        let (identity, version) = (request.identity.clone(), request.version);
        let deflate = handshake.accept(request).await?;
        Ok(AcceptedUpgrade { identity, version, attributes, deflate })
    }

    fn unavailable_for_now(&self, reason: &str) -> Refused {
        Refused::unavailable(reason, self.retry_delay())
    }

    fn retry_delay(&self) -> Duration {
        Duration::from_secs((1 + self.context.registry.next_connection() % RETRY_SPREAD).into())
    }
}

/// A connection before the end of its handshake.
struct PendingConnection {
    address: ClientAddress,
    /// Counts among all sockets, and those of the address.
    socket: SocketPermit,
    /// Counts among the handshakes of the address, once that is known.
    handshake: Option<AddressPermit>,
    /// The connection exceeds the limit of its address.
    over_address_limit: bool,
    admission: Option<Admission>,
    /// The client that its certificate belongs to.
    client: Option<VerifiedClient>,
    /// What a trusted proxy says of the client's certificate.
    proxied_tls: ProxiedTls,
    /// The identity in the request, not verified.
    identity: Option<Identity>,
}

/// The attributes that all charge points of a listener have.
pub(super) fn common_attributes(listener: &Listener) -> Attributes {
    let mountpoint = Some(&listener.mountpoint).filter(|mountpoint| !mountpoint.is_empty());
    mountpoint.map(|mountpoint| (MOUNTPOINT.to_owned(), mountpoint.clone())).into_iter().collect()
}
