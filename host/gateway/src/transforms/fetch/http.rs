//! HTTP with the limits that a source from elsewhere needs: time, size and redirects.

use super::address::{Address, BadAddress};
pub(super) use super::http_error::HttpError;
use crate::operations::tls::{certificate_fault, client_config};
use std::io::Read as _;
use std::time::{Duration, Instant};
use ureq::http::header::{CONTENT_TYPE, LOCATION};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::Certificate;
use ureq::{Agent, Body, Timeout};

/// Redirects that are followed: registries need one, to where they store blobs; download pages of releases two.
pub(super) const MAX_REDIRECTS: usize = 5;

const USER_AGENT: &str = concat!("ocpp-gateway/", env!("CARGO_PKG_VERSION"));

/// How long a fetch may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimits {
    /// For each connection: name resolution, and then TCP with TLS.
    pub(super) connect: Duration,
    /// For everything that belongs to one component, from the first name resolution to the last byte.
    pub(super) whole: Duration,
}

/// An HTTP client for one fetch, whose time begins with it.
pub(super) struct Client {
    agent: Agent,
    has_roots: bool,
    limits: TimeLimits,
    deadline: Instant,
}

/// A GET request.
pub(super) struct Request<'a> {
    pub(super) address: Address,
    /// Media types, as in the header `Accept`.
    pub(super) accept: &'a str,
    /// The header `Authorization`, for the address, and for redirects until one leaves its scheme, host and port.
    pub(super) authorization: Option<&'a str>,
    /// Added to the query of the address, percent-encoded.
    pub(super) query: &'a [(&'a str, &'a str)],
}

/// An answer, of which the body is not read yet.
pub(super) struct Answer {
    /// Where it is from, after redirects.
    pub(super) address: Address,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Body,
    limits: TimeLimits,
}

impl Client {
    /// `roots`: the authorities that may sign certificates of servers.
    pub(super) fn new(roots: &[Certificate<'static>], limits: TimeLimits) -> Self {
        let agent = Agent::config_builder()
            .tls_config(client_config(roots))
            .user_agent(USER_AGENT)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            // They are followed here, where it is known which are allowed.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .build()
            .new_agent();
        Client { agent, has_roots: !roots.is_empty(), limits, deadline: Instant::now() + limits.whole }
    }

    /// The answer, after redirects. Any other status than those of redirects is no error here.
    pub(super) fn get(&self, request: Request<'_>) -> Result<Answer, HttpError> {
        let Request { address: first, accept, mut authorization, query } = request;
        let mut answer = self.get_once(first.clone(), accept, authorization, query)?;
        for _ in 0..MAX_REDIRECTS {
            let Some(next) = answer.redirect()? else { return Ok(answer) };
            // Another server that sends the gateway back does not choose what is asked with a login.
            authorization = authorization.filter(|_| next.same_origin(&first));
            answer = self.get_once(next, accept, authorization, &[])?;
        }
        match answer.redirect()? {
            Some(_) => Err(HttpError::Redirects { address: answer.address, limit: MAX_REDIRECTS }),
            None => Ok(answer),
        }
    }

    fn get_once(
        &self,
        address: Address,
        accept: &str,
        authorization: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Answer, HttpError> {
        if address.is_https() && !self.has_roots {
            return Err(HttpError::NoRoots { address });
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(HttpError::Timeout { address, limit: self.limits.whole });
        }
        let mut request = self.agent.get(address.uri()).header("accept", accept);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let mut config = request.query_pairs(query.iter().copied()).config().timeout_global(Some(left));
        if address.is_loopback() {
            // A proxy of the environment would ask its own machine.
            config = config.proxy(None);
        }
        match config.build().call() {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                Ok(Answer { address, status: parts.status, headers: parts.headers, body, limits: self.limits })
            }
            Err(problem) => Err(fault(address, problem, self.limits)),
        }
    }
}

impl Answer {
    /// The answer, if its status is 200.
    pub(super) fn ok(self) -> Result<Self, HttpError> {
        match self.status {
            StatusCode::OK => Ok(self),
            status => Err(HttpError::Status { address: self.address, status }),
        }
    }

    /// Of the header `Content-Type`, the media type without parameters.
    pub(super) fn media_type(&self) -> String {
        let header = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body, of at most `limit` bytes. A larger one is refused before it is read if the answer says so.
    pub(super) fn bytes(self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let Answer { address, mut body, limits, .. } = self;
        let most = limit as u64;
        if let Some(size) = body.content_length().filter(|size| *size > most) {
            return Err(HttpError::TooLarge { address, size: Some(size), limit });
        }
        let mut bytes = Vec::new();
        let read = body.as_reader().take(most + 1).read_to_end(&mut bytes);
        match read {
            Ok(_) if bytes.len() > limit => Err(HttpError::TooLarge { address, size: None, limit }),
            Ok(_) => Ok(bytes),
            Err(problem) => Err(fault(address, problem.into(), limits)),
        }
    }

    /// Where the answer redirects to, if it does and if that is allowed.
    fn redirect(&self) -> Result<Option<Address>, HttpError> {
        if !matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let address = || self.address.clone();
        // Without a location, the status is the error.
        let Some(location) = self.headers.get(LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| BadAddress::Invalid);
        let to = location.and_then(|location| self.address.join(location));
        let to = to.map_err(|problem| HttpError::Redirect { address: address(), problem })?;
        if !self.address.may_lead_to(&to) {
            return Err(HttpError::Downgrade { address: address(), to });
        }
        Ok(Some(to))
    }
}

fn fault(address: Address, problem: ureq::Error, limits: TimeLimits) -> HttpError {
    match problem {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            HttpError::ConnectTimeout { address, limit: limits.connect }
        }
        ureq::Error::Timeout(_) => HttpError::Timeout { address, limit: limits.whole },
        problem => match certificate_fault(&problem) {
            Some(problem) => HttpError::Certificate { address, problem },
            None => HttpError::Connection { address, problem },
        },
    }
}
