//! Lets charge points in, one task each.

use crate::charge_point::{Arrival, ChargePoint, Ending, Hall};
use crate::config::{Ocpp, Origin};
use crate::handshake::{Handshake, Refused, Terms, UpgradeRequest};
use crate::limits::{Limit, Seat, Seating};
use crate::proxies::{ClientAddress, Proxies};
use crate::registry::NotEntered;
use crate::security::{Certified, Security};
use hyper::{Request, StatusCode, header};
use ocpp_gateway_core::pace::{Turn, Turnstile};
use ocpp_gateway_core::{Attributes, Decision, Identity, Offer, Peer, Version};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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

/// Who may come in, and where to.
pub struct Door {
    terms: Terms,
    security: Arc<Security>,
    proxies: Proxies,
    /// Whose pages may connect where nothing is asked for.
    origins: Vec<Origin>,
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
    pub fn new(ocpp: &Ocpp, security: Arc<Security>, hall: Arc<Hall>, tasks: TaskTracker) -> Self {
        let proxies = Proxies::new(ocpp.trusted_proxies.clone());
        Door { terms: Terms::new(ocpp), security, proxies, origins: ocpp.origins.clone(), hall, tasks }
    }

    /// Accepts connections until `closed`.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, closed: CancellationToken) {
        let mut turnstile = self.hall.limits.turnstile();
        loop {
            let accepted = tokio::select! {
                () = closed.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.approach(stream, address.into(), turnstile.as_mut()),
                Err(error) => {
                    warn!("cannot accept connections: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One that is too many from its address does not take a turn from anybody else.
    fn approach(self: &Arc<Self>, stream: TcpStream, address: ClientAddress, turnstile: Option<&mut Turnstile>) {
        let Some(place) = self.hall.limits.socket() else { return self.cut_off(&Refused::NoRoom, address) };
        let mut guest = Guest {
            arrival: Arrival { address, place },
            handshake: None,
            over: false,
            turn: None,
            certified: None,
            identity: None,
        };
        // Whose connection it is that comes from a proxy shows later.
        if !self.proxies.trusts(address)
            && let Err(refused) = self.seat(&mut guest)
        {
            return self.cut_off(&refused, address);
        }
        if !guest.over {
            let now = self.hall.limits.moment(Instant::now());
            guest.turn = turnstile.map(|turnstile| turnstile.arrive(now));
        }
        let door = Arc::clone(self);
        self.tasks.spawn(async move { door.let_in(stream, guest).await });
    }

    /// Counts that a socket is closed without a word: there are too many to talk to each.
    fn cut_off(&self, refused: &Refused, address: ClientAddress) {
        self.hall.road.metrics.refused(refused);
        debug!(%address, "refused: {refused}");
    }

    async fn let_in(&self, mut stream: TcpStream, mut guest: Guest) {
        if let Some(Turn::In(wait)) = guest.turn
            && !wait.is_zero()
        {
            tokio::time::sleep(wait).await;
        }
        // Messages are small and each is waited for; a connection that is gone already shows soon enough.
        let _ = stream.set_nodelay(true);
        let by = tokio::time::Instant::now() + self.terms.timeout();
        if let Err(refused) = self.find_peer(&mut stream, &mut guest, by).await {
            // Whoever that was speaks no HTTP yet.
            return self.turned_away(&refused, &guest);
        }
        let Some(tls) = &self.security.tls else { return self.receive(stream, guest, by).await };
        match timeout_at(by, tls.accept(stream)).await.unwrap_or_else(|_| Err(self.timed_out())) {
            Ok((stream, certified)) => {
                guest.certified = certified;
                self.receive(stream, guest, by).await;
            }
            Err(refused) => self.turned_away(&refused, &guest),
        }
    }

    /// Shakes hands over whatever carries the bytes, and has a task of its own talk on it.
    async fn receive<S>(&self, stream: S, mut guest: Guest, by: tokio::time::Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut handshake = self.terms.begin(stream);
        let shaken = timeout_at(by, self.shake_hands(&mut handshake, &mut guest)).await;
        let address = guest.arrival.address;
        let Admitted { identity, version, attributes } = match shaken.unwrap_or_else(|_| Err(self.timed_out())) {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.turned_away(&refused, &guest);
                return handshake.refuse(&refused).await;
            }
        };
        let mut socket = self.terms.websocket(handshake);
        let Some(version) = version else {
            self.hall.road.metrics.closed(Ending::NoCommonVersion.name());
            info!(%address, charge_point = %identity, "closed: {}", Ending::NoCommonVersion);
            return Ending::NoCommonVersion.close(&mut socket).await;
        };
        let peer = Peer { identity, version, connection: self.hall.registry.next_connection(), attributes };
        debug!(charge_point = %peer.identity, %address, "handshake done");
        // A task of its own, so that a connection does not hold on to the room that its handshake needed.
        self.tasks.spawn(ChargePoint::serve(Arc::clone(&self.hall), peer, guest.arrival, socket));
    }

    /// Counts and logs a refusal. The log calls an identity that was only claimed so, and not a charge point.
    fn turned_away(&self, refused: &Refused, guest: &Guest) {
        self.hall.road.metrics.refused(refused);
        let Guest { arrival, identity, certified, .. } = guest;
        let subject = match refused {
            Refused::Tls { subject, .. } => subject.as_deref(),
            _ => certified.as_ref().map(|certified| certified.subject.as_str()),
        };
        let identity = identity.as_ref().map(Identity::as_str);
        info!(address = %arrival.address, identity, certificate = subject, "refused: {refused}");
    }

    fn timed_out(&self) -> Refused {
        Refused::TimedOut(self.terms.timeout())
    }

    /// Finds out whose connection it is that comes from a proxy, if that says so in front of everything else.
    async fn find_peer(
        &self,
        stream: &mut TcpStream,
        guest: &mut Guest,
        by: tokio::time::Instant,
    ) -> Result<(), Refused> {
        let proxy = guest.arrival.address;
        if !self.proxies.trusts(proxy) {
            return Ok(());
        }
        let client = timeout_at(by, self.proxies.client(stream, proxy)).await;
        guest.arrival.address = client.map_err(|_| self.timed_out())?.map_err(Refused::BadProxyHeader)?;
        // If it did not, the request may.
        if self.proxies.trusts(guest.arrival.address) { Ok(()) } else { self.seat(guest) }
    }

    fn seat(&self, guest: &mut Guest) -> Result<(), Refused> {
        let Arrival { address, place } = &mut guest.arrival;
        match self.hall.limits.seat(place, address.ip) {
            Seating::Free => {}
            Seating::Over => guest.over = true,
            Seating::Full => return Err(Refused::Crowd),
        }
        if guest.handshake.is_none() {
            guest.handshake = Some(self.hall.limits.handshake(guest.arrival.address.ip).ok_or(Refused::Crowd)?);
        }
        Ok(())
    }

    /// Reads who is there, and lets it in or answers why not.
    async fn shake_hands<S>(&self, handshake: &mut Handshake<S>, guest: &mut Guest) -> Result<Admitted, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = self.terms.read_request(handshake).await?;
        guest.identity = Some(request.identity.clone());
        let attributes = self.may_enter(&request, guest).await?;
        let admitted = Admitted { identity: request.identity.clone(), version: request.version, attributes };
        handshake.accept(request).await?;
        Ok(admitted)
    }

    async fn may_enter(&self, asked: &UpgradeRequest, guest: &mut Guest) -> Result<Attributes, Refused> {
        let UpgradeRequest { identity, request, .. } = asked;
        let is_open_to_all = !self.security.wants_credentials();
        if is_open_to_all {
            self.check_origin(request, guest.arrival.address)?;
            self.security.check_list(identity)?;
        }
        if !self.hall.open.load(Ordering::Relaxed) {
            return Err(self.come_back("the MQTT broker cannot be reached"));
        }
        if let Some(Turn::ComeBack { seconds }) = guest.turn {
            self.hall.limits.hit(Limit::AcceptRate);
            let after = Duration::from_secs(seconds.into());
            return Err(Refused::unavailable("too many charge points connect at the same time", after));
        }
        self.find_client(request, guest)?;
        // Which charge points exist, and which are connected, is told only after they have shown who they are.
        let user = self.authenticate(asked, guest).await?;
        if !is_open_to_all {
            self.security.check_list(identity)?;
        }
        match self.hall.registry.refuses(identity) {
            None => {}
            Some(NotEntered::Full) => {
                self.hall.limits.hit(Limit::Connections);
                return Err(self.come_back("too many charge points are connected"));
            }
            Some(NotEntered::Duplicate) => {
                return Err(Refused::status(StatusCode::FORBIDDEN, format!("{identity} is connected already")));
            }
        }
        self.admit(identity, request, guest.arrival.address, user)
    }

    /// The identity, once it has been shown by whatever there is to be shown; `None`: nothing is asked for.
    async fn authenticate(
        &self,
        UpgradeRequest { identity, request, .. }: &UpgradeRequest,
        Guest { certified, arrival, .. }: &Guest,
    ) -> Result<Option<String>, Refused> {
        if let Some(certified) = certified {
            certified.check(identity)?;
        }
        match &self.security.check {
            Some(check) => check.check(identity, request.headers(), arrival.address.ip).await.map(Some),
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
    fn find_client(&self, request: &Request<()>, guest: &mut Guest) -> Result<(), Refused> {
        if self.proxies.trusts(guest.arrival.address) {
            let lines = request.headers().get_all("x-forwarded-for");
            // One of which a part is no text still has the entries of proxies in it.
            let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
            let address = self.proxies.forwarded(guest.arrival.address, lines.iter().map(AsRef::as_ref));
            guest.arrival.address = address;
            // The connections of a proxy itself are not counted.
            if !self.proxies.trusts(guest.arrival.address) {
                self.seat(guest)?;
            }
        }
        if guest.over {
            let reason = format!("too many connections from {}", guest.arrival.address.ip);
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
        let road = &self.hall.road;
        if !road.pipeline.has_admission() {
            return Ok(Attributes::new());
        }
        let (decision, mishaps) = road.pipeline.admit(&Offer { user, ..offer(identity, request, address) });
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
        Refused::unavailable(reason, self.spread())
    }

    fn spread(&self) -> Duration {
        Duration::from_secs((1 + self.hall.registry.next_connection() % RETRY_SPREAD).into())
    }
}

/// A connection on its way through the door.
struct Guest {
    arrival: Arrival,
    /// Its place among the handshakes from its address, once that is known.
    handshake: Option<Seat>,
    /// It is one too many from its address.
    over: bool,
    turn: Option<Turn>,
    /// Whom its certificate stands for.
    certified: Option<Certified>,
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
