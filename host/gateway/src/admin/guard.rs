//! Who may use the admin API.
//!
//! With a token: whoever has it, on every page but `/healthz` and `/readyz`. A browser does not add it by itself, so no
//! page of somebody else's can use it.
//!
//! Without one, the API listens on a loopback address only, and whoever runs a program on this machine may use it. A page
//! in a browser on this machine may not: it can reach loopback addresses too, under a name of its own that it has
//! pointed there (DNS rebinding), or with a request whose answer it does not get to see (CSRF). The first shows in
//! `Host`, the second in `Origin`.

use super::problem::Problem;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// What those who watch over a program ask, who have no token: nothing can be done with it.
pub(super) const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Checks requests. Keeps a hash of the token, so that the comparison tells nothing of it, not even its length.
pub(super) struct Guard {
    token: Option<[u8; 32]>,
}

impl Guard {
    pub(super) fn new(token: Option<&str>) -> Self {
        Guard { token: token.map(hash) }
    }

    pub(super) fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.token {
            Some(token) => check_token(token, headers),
            None => check_browser(uri, headers),
        }
    }
}

fn check_token(token: &[u8; 32], headers: &HeaderMap) -> Result<(), Problem> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown =
        shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match shown {
        Some((_, shown)) if bool::from(hash(shown.trim()).ct_eq(token)) => Ok(()),
        Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "this is not the token")),
        None => Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …")),
    }
}

fn check_browser(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |text: &str| Err(Problem::new(StatusCode::FORBIDDEN, text));
    let text = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut hosts = text(header::HOST).chain(uri.authority().map(Authority::as_str)).peekable();
    if hosts.peek().is_none() || !hosts.all(is_this_machine) {
        return forbidden("without a token, only for localhost or a loopback address in the Host header");
    }
    let same = text(header::HOST).next().map(|host| format!("http://{host}"));
    if text(header::ORIGIN).any(|origin| Some(origin) != same.as_deref()) {
        return forbidden("without a token, not for pages from elsewhere");
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn allowed(guard: &Guard, uri: &str, headers: &[(&str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        });
        let map: HeaderMap = headers.collect();
        guard.check(&uri.parse().expect("a URI"), &map).is_ok()
    }

    #[test]
    fn with_a_token_only_that_token_counts() {
        let guard = Guard::new(Some("a token of some length"));
        for (value, right) in [
            ("Bearer a token of some length", true),
            ("bearer  a token of some length", true),
            ("Bearer a token of some lengt", false),
            ("Bearer a token of some length!", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic a token of some length", false),
            ("", false),
        ] {
            let headers = [("authorization", value), ("host", "gateway.example"), ("origin", "https://else.example")];
            assert_eq!(allowed(&guard, "/metrics", &headers), right, "{value}");
        }
        assert!(!allowed(&guard, "/metrics", &[("host", "localhost")]));
    }

    #[test]
    fn without_one_the_host_has_to_be_this_machine() {
        let guard = Guard::new(None);
        for (host, right) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1:8080", true),
            ("127.1.2.3", true),
            ("[::1]:8080", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1", false),
            ("localhost@evil.example", false),
            ("", false),
        ] {
            assert_eq!(allowed(&guard, "/", &[("host", host)]), right, "{host}");
        }
        assert!(!allowed(&guard, "/", &[]));
        assert!(!allowed(&guard, "/", &[("host", "localhost"), ("host", "evil.example")]));
        assert!(!allowed(&guard, "http://evil.example/", &[("host", "localhost")]));
    }

    #[test]
    fn without_one_pages_from_elsewhere_are_refused() {
        let guard = Guard::new(None);
        for (origin, right) in [
            ("http://localhost:8080", true),
            ("http://localhost:3000", false),
            ("https://localhost:8080", false),
            ("http://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(allowed(&guard, "/", &[("host", "localhost:8080"), ("origin", origin)]), right, "{origin}");
        }
    }
}
