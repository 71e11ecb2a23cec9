//! Lets charge points in, one task each.

use super::authentication::{Security, VerifiedClient};
use super::handshake::{Handshake, Refused, Terms, UpgradeRequest};
use super::limits::{AddressPermit, AddressRoom, ConnectionLimits, SocketPermit};
use super::proxies::Proxies;
use crate::charge_point::{ChargePoint, ClientAddress, Context, DisconnectReason, NotEntered};
use crate::config::{OcppConfig, Origin};
use crate::operations::metrics::Limit;
use hyper::{Request, StatusCode, header};
use ocpp_gateway_core::rate::{Admission, AdmissionLimiter};
use ocpp_gateway_core::{Attributes, Decision, Identity, Offer, Peer, Version};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// How long to leave the kernel alone after it had no file descriptor left for us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Charge points that are sent away together shall not come back together: 1 to this many seconds later.
const RETRY_SPREAD: u32 = 10;

/// Accepts connections, and lets charge points in or tells them why not.
pub struct Acceptor {
    terms: Terms,
    security: Arc<Security>,
    proxies: Proxies,
    /// Whose pages may connect where nothing is asked for.
    origins: Vec<Origin>,
    limits: ConnectionLimits,
    context: Arc<Context>,
    /// All tasks of charge points.
    tasks: TaskTracker,
}

/// Whom the handshake let in.
struct AcceptedUpgrade {
    identity: Identity,
    /// `None`: there is none that both sides speak.
    version: Option<Version>,
    /// What the transforms that let it in know of it.
    attributes: Attributes,
}

impl Acceptor {
    /// `max_files`: that the process may have open.
    pub fn new(
        ocpp: &OcppConfig,
        max_files: usize,
        security: Arc<Security>,
        context: Arc<Context>,
        tasks: TaskTracker,
    ) -> Self {
        let (proxies, origins) = (Proxies::new(ocpp.trusted_proxies.clone()), ocpp.origins.clone());
        let limits = ConnectionLimits::new(ocpp, max_files, context.router.metrics.clone());
        Acceptor { terms: Terms::new(ocpp), security, proxies, origins, limits, context, tasks }
    }

    /// Accepts connections until `closed`.
    pub async fn run(self: Arc<Self>, listener: TcpListener, closed: CancellationToken) {
        let mut admission_limiter = self.limits.admission_limiter();
        loop {
            let accepted = tokio::select! {
                () = closed.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.on_accept(stream, address.into(), admission_limiter.as_mut()),
                Err(error) => {
                    warn!("cannot accept connections: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One that is too many from its address does not take a turn from anybody else.
    fn on_accept(
        self: &Arc<Self>,
        stream: TcpStream,
        address: ClientAddress,
        admission_limiter: Option<&mut AdmissionLimiter>,
    ) {
        let Some(socket) = self.limits.socket() else { return self.cut_off(&Refused::NoRoom, address) };
        let mut pending = PendingConnection {
            address,
            socket,
            handshake: None,
            over: false,
            turn: None,
            certified: None,
            identity: None,
        };
        // Whose connection it is that comes from a proxy shows later.
        if !self.proxies.trusts(address)
            && let Err(refused) = self.seat(&mut pending)
        {
            return self.cut_off(&refused, address);
        }
        if !pending.over {
            let now = self.limits.moment(Instant::now());
            pending.turn = admission_limiter.map(|admission_limiter| admission_limiter.admit(now));
        }
        let acceptor = Arc::clone(self);
        self.tasks.spawn(async move { acceptor.accept(stream, pending).await });
    }

    /// Counts that a socket is closed without a word: there are too many to talk to each.
    fn cut_off(&self, refused: &Refused, address: ClientAddress) {
        self.context.router.metrics.refused(refused.name());
        debug!(%address, "refused: {refused}");
    }

    async fn accept(&self, mut stream: TcpStream, mut pending: PendingConnection) {
        if let Some(Admission::Now(wait)) = pending.turn
            && !wait.is_zero()
        {
            tokio::time::sleep(wait).await;
        }
        // Messages are small and each is waited for; a connection that is gone already shows soon enough.
        let _ = stream.set_nodelay(true);
        let by = tokio::time::Instant::now() + self.terms.timeout();
        if let Err(refused) = self.find_peer(&mut stream, &mut pending, by).await {
            // Whoever that was speaks no HTTP yet.
            return self.turned_away(&refused, &pending);
        }
        let Some(tls) = &self.security.tls else { return self.receive(stream, pending, by).await };
        let accepted = timeout_at(by, tls.accept(stream)).await;
        match accepted.map_or_else(|_| Err(self.timed_out()), |accepted| accepted.map_err(Refused::from)) {
            Ok((stream, certified)) => {
                pending.certified = certified;
                self.receive(stream, pending, by).await;
            }
            Err(refused) => self.turned_away(&refused, &pending),
        }
    }

    /// Shakes hands over whatever carries the bytes, and has a task of its own talk on it.
    async fn receive<S>(&self, stream: S, mut pending: PendingConnection, by: tokio::time::Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut handshake = self.terms.begin(stream);
        let shaken = timeout_at(by, self.shake_hands(&mut handshake, &mut pending)).await;
        let PendingConnection { address, .. } = pending;
        let AcceptedUpgrade { identity, version, attributes } = match shaken.unwrap_or_else(|_| Err(self.timed_out())) {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.turned_away(&refused, &pending);
                return handshake.refuse(&refused).await;
            }
        };
        let mut socket = self.terms.websocket(handshake);
        let Some(version) = version else {
            self.context.router.metrics.closed(DisconnectReason::NoCommonVersion.name());
            info!(%address, charge_point = %identity, "closed: {}", DisconnectReason::NoCommonVersion);
            return DisconnectReason::NoCommonVersion.close(&mut socket).await;
        };
        let peer = Peer { identity, version, connection: self.context.registry.next_connection(), attributes };
        debug!(charge_point = %peer.identity, %address, "handshake done");
        // A task of its own, so that a connection does not hold on to the room that its handshake needed.
        self.tasks.spawn(ChargePoint::serve(Arc::clone(&self.context), peer, address, socket, pending.socket));
    }

    /// Counts and logs a refusal. The log calls an identity that was only claimed so, and not a charge point.
    fn turned_away(&self, refused: &Refused, pending: &PendingConnection) {
        self.context.router.metrics.refused(refused.name());
        let PendingConnection { address, identity, certified, .. } = pending;
        let subject = match refused {
            Refused::Tls { subject, .. } => subject.as_deref(),
            _ => certified.as_ref().map(|certified| certified.subject.as_str()),
        };
        let identity = identity.as_ref().map(Identity::as_str);
        info!(%address, identity, certificate = subject, "refused: {refused}");
    }

    fn timed_out(&self) -> Refused {
        Refused::TimedOut(self.terms.timeout())
    }

    /// Finds out whose connection it is that comes from a proxy, if that says so in front of everything else.
    async fn find_peer(
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
        pending.address = client.map_err(|_| self.timed_out())?.map_err(Refused::BadProxyHeader)?;
        // If it did not, the request may.
        if self.proxies.trusts(pending.address) { Ok(()) } else { self.seat(pending) }
    }

    fn seat(&self, pending: &mut PendingConnection) -> Result<(), Refused> {
        match self.limits.seat(&mut pending.socket, pending.address.ip) {
            AddressRoom::Free => {}
            AddressRoom::Over => pending.over = true,
            AddressRoom::Full => return Err(Refused::TooManyFromAddress),
        }
        if pending.handshake.is_none() {
            pending.handshake = Some(self.limits.handshake(pending.address.ip).ok_or(Refused::TooManyFromAddress)?);
        }
        Ok(())
    }

    /// Reads who is there, and lets it in or answers why not.
    async fn shake_hands<S>(
        &self,
        handshake: &mut Handshake<S>,
        pending: &mut PendingConnection,
    ) -> Result<AcceptedUpgrade, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = self.terms.read_request(handshake).await?;
        pending.identity = Some(request.identity.clone());
        let attributes = self.may_enter(&request, pending).await?;
        let admitted = AcceptedUpgrade { identity: request.identity.clone(), version: request.version, attributes };
        handshake.accept(request).await?;
        Ok(admitted)
    }

    async fn may_enter(&self, asked: &UpgradeRequest, pending: &mut PendingConnection) -> Result<Attributes, Refused> {
        let UpgradeRequest { identity, request, .. } = asked;
        let is_open_to_all = !self.security.wants_credentials();
        if is_open_to_all {
            self.check_origin(request, pending.address)?;
            self.security.check_list(identity)?;
        }
        if !self.context.registry.is_open() {
            return Err(self.come_back("the MQTT broker cannot be reached"));
        }
        if let Some(Admission::RetryAfter { seconds }) = pending.turn {
            self.context.router.metrics.limited(Limit::AcceptRate);
            let after = Duration::from_secs(seconds.into());
            return Err(Refused::unavailable("too many charge points connect at the same time", after));
        }
        self.find_client(request, pending)?;
        // Which charge points exist, and which are connected, is told only after they have shown who they are.
        let user = self.authenticate(asked, pending).await?;
        if !is_open_to_all {
            self.security.check_list(identity)?;
        }
        match self.context.registry.refuses(identity) {
            None => {}
            Some(NotEntered::Full) => {
                self.context.router.metrics.limited(Limit::Connections);
                return Err(self.come_back("too many charge points are connected"));
            }
            Some(NotEntered::Duplicate) => {
                return Err(Refused::status(StatusCode::FORBIDDEN, format!("{identity} is connected already")));
            }
        }
        self.admit(identity, request, pending.address, user)
    }

    /// The identity, once it has been shown by whatever there is to be shown; `None`: nothing is asked for.
    async fn authenticate(
        &self,
        UpgradeRequest { identity, request, .. }: &UpgradeRequest,
        PendingConnection { certified, address, .. }: &PendingConnection,
    ) -> Result<Option<String>, Refused> {
        if let Some(certified) = certified {
            certified.check(identity)?;
        }
        match &self.security.check {
            Some(check) => Ok(Some(check.check(identity, request.headers(), address.ip).await?)),
            None => Ok(certified.as_ref().map(|certified| certified.identity.clone())),
        }
    }

    /// Refuses pages from elsewhere: where nothing is asked for, a browser inside the network would let them pass for a
    /// charge point. Browsers always send `Origin`; of charge points some do, with the server's own address.
    fn check_origin(&self, request: &Request<()>, sender: ClientAddress) -> Result<(), Refused> {
        const FORWARDED_HOST: &str = "x-forwarded-host";
        let headers = request.headers();
        let lines = |name: &str| headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
        // A proxy may put its own name for the gateway in the place of the one that the client knows.
        let is_proxy = self.proxies.trusts(sender);
        let forwarded = || lines(FORWARDED_HOST).filter(|_| is_proxy).flat_map(|line| line.split(','));
        let hosts = || lines(header::HOST.as_str()).chain(forwarded());
        for line in headers.get_all(header::ORIGIN) {
            let text = String::from_utf8_lossy(line.as_bytes());
            let is_allowed = text.parse::<Origin>().is_ok_and(|origin| {
                let is_listed = self.origins.iter().any(|listed| listed.is_same(&origin));
                is_listed || hosts().any(|host| origin.is_server(host.trim()))
            });
            if !is_allowed {
                let reason = format!("pages of {text} may not connect: they are not in ocpp.origins");
                return Err(Refused::status(StatusCode::FORBIDDEN, reason));
            }
        }
        Ok(())
    }

    /// Reads whose request it is that a proxy passes on. Refuses those of whom there are too many.
    fn find_client(&self, request: &Request<()>, pending: &mut PendingConnection) -> Result<(), Refused> {
        if self.proxies.trusts(pending.address) {
            let lines = request.headers().get_all("x-forwarded-for");
            // One of which a part is no text still has the entries of proxies in it.
            let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
            let address = self.proxies.forwarded(pending.address, lines.iter().map(AsRef::as_ref));
            pending.address = address;
            // The connections of a proxy itself are not counted.
            if !self.proxies.trusts(pending.address) {
                self.seat(pending)?;
            }
        }
        if pending.over {
            let reason = format!("too many connections from {}", pending.address.ip);
            return Err(Refused::later(StatusCode::TOO_MANY_REQUESTS, reason, self.spread()));
        }
        Ok(())
    }

    /// Asks the transforms.
    fn admit(
        &self,
        identity: &Identity,
        request: &Request<()>,
        address: ClientAddress,
        user: Option<String>,
    ) -> Result<Attributes, Refused> {
        let router = &self.context.router;
        if !router.pipeline.has_admission() {
            return Ok(Attributes::new());
        }
        let (decision, incidents) = router.pipeline.admit(&Offer { user, ..offer(identity, request, address) });
        for incident in incidents {
            warn!(charge_point = %identity, transform = %incident.transform, version = %incident.version, "{}", incident.cause);
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
        Refused::unavailable(reason, self.spread())
    }

    fn spread(&self) -> Duration {
        Duration::from_secs((1 + self.context.registry.next_connection() % RETRY_SPREAD).into())
    }
}

/// A connection whose handshake is not over.
struct PendingConnection {
    address: ClientAddress,
    /// Its place among all sockets, and those from that address.
    socket: SocketPermit,
    /// Its place among the handshakes from its address, once that is known.
    handshake: Option<AddressPermit>,
    /// It is one too many from its address.
    over: bool,
    turn: Option<Admission>,
    /// Whom its certificate stands for.
    certified: Option<VerifiedClient>,
    /// Who it says it is.
    identity: Option<Identity>,
}

/// What transforms get to know of a charge point that wants in: no credentials.
fn offer(identity: &Identity, request: &Request<()>, address: ClientAddress) -> Offer {
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
