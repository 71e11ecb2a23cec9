//! Decides which charge points may connect, once their request is read.

use super::{Acceptor, MOUNTPOINT, PendingConnection};
use crate::charge_point::{ClientAddress, RegistryRefusal};
use crate::config::Origin;
use crate::listener::authentication::{CERTIFICATE_SERIAL, CERTIFICATE_SUBJECT, VerifiedClient};
use crate::listener::handshake::{Refused, UpgradeRequest};
use crate::operations::metrics::Limit;
use hyper::{Request, StatusCode, header};
use ocpp_gateway_core::rate::Admission;
use ocpp_gateway_core::{Attributes, Decision, Identity, Offer};
use std::time::Duration;
use tracing::warn;

/// Attributes that only the gateway gives: a transform that sets one would contradict what was verified.
const GIVEN_ATTRIBUTES: [&str; 3] = [CERTIFICATE_SUBJECT, CERTIFICATE_SERIAL, MOUNTPOINT];

impl Acceptor {
    /// Checks everything that decides whether the charge point may connect.
    pub(super) async fn authorize(
        &self,
        upgrade: &UpgradeRequest,
        pending: &mut PendingConnection,
    ) -> Result<Attributes, Refused> {
        let UpgradeRequest { identity, request, .. } = upgrade;
        let is_open_to_all = !self.security.wants_credentials();
        if is_open_to_all {
            self.check_origin(request, pending.address)?;
            self.security.check_list(identity)?;
        }
        if !self.context.registry.is_open() {
            return Err(self.unavailable_for_now("the MQTT broker cannot be reached"));
        }
        if let Some(Admission::RetryAfter { seconds }) = pending.admission {
            self.context.router.metrics.limited(Limit::AcceptRate);
            let after = Duration::from_secs(seconds.into());
            return Err(Refused::unavailable("too many charge points connect at the same time", after));
        }
        self.read_forwarded_for(request, pending)?;
        self.check_access(pending.address)?;
        // Responses before authentication do not reveal which charge points exist or are connected.
        if let Some(client) = self.security.proxied_client(&pending.proxied_tls)? {
            pending.client = Some(client);
        }
        let user = self.authenticate(upgrade, pending).await?;
        if !is_open_to_all {
            self.security.check_list(identity)?;
        }
        match self.context.registry.refusal(identity) {
            None => {}
            Some(RegistryRefusal::Full) => {
                self.context.router.metrics.limited(Limit::Connections);
                return Err(self.unavailable_for_now("too many charge points are connected"));
            }
            Some(RegistryRefusal::Duplicate) => {
                return Err(Refused::status(StatusCode::FORBIDDEN, format!("{identity} is connected already")));
            }
        }
        // The new connection of a charge point takes the place of its old one at this listener.
        let old = self.context.registry.find(identity.as_str());
        let is_replacement = old.is_some_and(|old| old.arrival.listener == self.listener);
        if !pending.socket.claim_charge_point(is_replacement) {
            self.context.router.metrics.limited(Limit::Connections);
            return Err(self.unavailable_for_now("too many charge points are connected to this listener"));
        }
        let mut given = pending.client.as_ref().map(VerifiedClient::attributes).unwrap_or_default();
        given.extend(self.attributes.iter().cloned());
        self.admit(identity, request, pending.address, user, given)
    }

    /// Checks certificate and password. Returns the authenticated identity; `None`: no authentication is configured.
    async fn authenticate(
        &self,
        UpgradeRequest { identity, request, .. }: &UpgradeRequest,
        PendingConnection { client, address, .. }: &PendingConnection,
    ) -> Result<Option<String>, Refused> {
        if let Some(client) = client {
            client.check(identity)?;
        }
        match &self.security.password_checker {
            Some(checker) => Ok(Some(checker.check(identity, request.headers(), address.ip).await?)),
            None => Ok(client.as_ref().map(|client| client.identity.clone())),
        }
    }

    /// Refuses web pages of other origins: without authentication, a page in a browser inside the network could act as
    /// a charge point. Browsers always send `Origin`; some charge points do too, with the server's own address.
    fn check_origin(&self, request: &Request<()>, sender: ClientAddress) -> Result<(), Refused> {
        const FORWARDED_HOST: &str = "x-forwarded-host";
        let headers = request.headers();
        let lines = |name: &str| headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
        // A proxy may replace the host name that the client uses by its own name for the gateway.
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
                let reason = format!("pages of {text} may not connect: they are not in {}", self.origins_key);
                return Err(Refused::status(StatusCode::FORBIDDEN, reason));
            }
        }
        Ok(())
    }

    /// Reads the client address from `X-Forwarded-For` of a trusted proxy. Refuses connections over the limit of their
    /// address.
    fn read_forwarded_for(&self, request: &Request<()>, pending: &mut PendingConnection) -> Result<(), Refused> {
        if self.proxies.trusts(pending.address) {
            let lines = request.headers().get_all("x-forwarded-for");
            // Lossy: a line that is not UTF-8 still contains the entries of proxies.
            let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
            let address = self.proxies.forwarded(pending.address, lines.iter().map(AsRef::as_ref));
            pending.address = address;
            // Connections of the proxy itself are not counted.
            if !self.proxies.trusts(pending.address) {
                self.claim_address(pending)?;
            }
        }
        if pending.over_address_limit {
            let reason = format!("too many connections from {}", pending.address.ip);
            return Err(Refused::with_retry_after(StatusCode::TOO_MANY_REQUESTS, reason, self.retry_delay()));
        }
        Ok(())
    }

    /// Asks the admission transforms. Returns the attributes of the charge point: those that the gateway gives, and
    /// those of the transforms.
    fn admit(
        &self,
        identity: &Identity,
        request: &Request<()>,
        address: ClientAddress,
        user: Option<String>,
        given: Attributes,
    ) -> Result<Attributes, Refused> {
        let router = &self.context.router;
        if !router.pipeline.has_admission() {
            return Ok(given);
        }
        let offer = Offer { user, attributes: given, ..offer(identity, request, address) };
        let (decision, incidents) = router.pipeline.admit(&offer);
        for incident in incidents {
            warn!(
                charge_point = %identity,
                transform = %incident.transform,
                version = %incident.version,
                "{}",
                incident.cause
            );
        }
        match decision {
            Decision::Accept(added) => Ok(with_given(added, offer.attributes)),
            Decision::Refuse { status, reason } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
                Err(Refused::status(status, reason))
            }
        }
    }
}

/// The attributes that the gateway gives, and those that admission transforms added: none of those that only the gateway
/// gives.
fn with_given(added: Attributes, mut given: Attributes) -> Attributes {
    given.extend(added.into_iter().filter(|(name, _)| !GIVEN_ATTRIBUTES.contains(&name.as_str())));
    given
}

/// What admission transforms learn about a charge point: no credentials.
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
        attributes: Attributes::new(),
    }
}
