//! Access control of the admin API.
//!
//! With a token, every page but `/healthz`, `/readyz` and the files of the console requires it. Browsers do not add it by themselves, so pages of
//! other sites cannot use the API.
//!
//! Without a token, the API listens on a loopback address only, and any program on this machine may use it. Pages in a
//! browser on this machine may not. They can reach loopback addresses through a name of their own that resolves to one
//! (DNS rebinding), or with requests whose answers they do not see (CSRF). `Host` shows the first, `Origin` the second.

use super::problem::Problem;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// Paths without access control, for probes that have no token. These pages change nothing.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Where the files of the console are, but for the page itself, which is `/`. They hold no data.
pub(super) const CONSOLE_FOLDER: &str = "/console/";

/// The name of the token of `[admin] token` in audit lines.
const TOKEN_NAME: &str = "admin";

/// Checks requests. Keeps a hash of the token, so that the time of a comparison reveals nothing of it, not even its
/// length.
pub(super) struct Guard {
    token: Option<[u8; 32]>,
}

/// Whether a page is open to all: those for probes, and the files of the console.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path == "/" || path.starts_with(CONSOLE_FOLDER)
}

impl Guard {
    pub(super) fn new(token: Option<&str>) -> Self {
        Guard { token: token.map(hash) }
    }

    pub(super) fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    /// Checks a request. Returns the name of the token that it shows; `None`: none is required.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<&'static str>, Problem> {
        match &self.token {
            Some(token) => check_token(token, headers).map(|()| Some(TOKEN_NAME)),
            None => check_browser(uri, headers).map(|()| None),
        }
    }
}

fn check_token(token: &[u8; 32], headers: &HeaderMap) -> Result<(), Problem> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown =
        shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match shown {
        Some((_, shown)) if bool::from(hash(shown.trim()).ct_eq(token)) => Ok(()),
        Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong token")),
        None => Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …")),
    }
}

fn check_browser(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |text: &str| Err(Problem::new(StatusCode::FORBIDDEN, text));
    let text = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut hosts = text(header::HOST).chain(uri.authority().map(Authority::as_str)).peekable();
    if hosts.peek().is_none() || !hosts.all(is_this_machine) {
        return forbidden("without a token, the Host header has to name localhost or a loopback address");
    }
    let same = text(header::HOST).next().map(|host| format!("http://{host}"));
    if text(header::ORIGIN).any(|origin| Some(origin) != same.as_deref()) {
        return forbidden("without a token, pages of other origins may not use this API");
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
    fn only_the_configured_token_is_accepted() {
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
    fn host_has_to_be_this_machine_without_a_token() {
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
    fn pages_of_other_origins_are_refused_without_a_token() {
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
