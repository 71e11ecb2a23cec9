//! Access control of the admin API.
//!
//! With a token, every page but `/healthz`, `/readyz` and the files of the console requires it. Browsers do not add it by
//! themselves, so pages of other sites cannot use the API. A second token may look only.
//!
//! Without a token, the API listens on a loopback address only, and any program on this machine may use it. Pages in a
//! browser on this machine may not. They can reach loopback addresses through a name of their own that resolves to one
//! (DNS rebinding), or with requests whose answers they do not see (CSRF). `Host` shows the first, `Origin` the second.

use super::problem::Problem;
use crate::config::AdminTokens;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// Paths without access control, for probes that have no token. These pages change nothing.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Where the files of the console are, but for the page itself, which is `/`. They hold no data.
pub(super) const CONSOLE_FOLDER: &str = "/console/";

/// The page that a viewer may send something to: it changes nothing, unless the message is tried with a candidate, which
/// the page refuses.
pub(super) const TRY_PATH: &str = "/api/v1/try";

/// The names of the tokens in audit lines.
const ADMIN: &str = "admin";
const VIEWER: &str = "viewer";

/// Checks requests. Keeps hashes of the tokens, so that the time of a comparison reveals nothing of them, not even their
/// length.
pub(super) struct Guard {
    token: Option<[u8; 32]>,
    viewer_token: Option<[u8; 32]>,
    /// Of the listener: `http` or `https`.
    scheme: &'static str,
}

/// Whether a page is open to all: those for probes, and the files of the console.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path == "/" || path.starts_with(CONSOLE_FOLDER)
}

impl Guard {
    /// `with_tls`: whether the listener speaks TLS.
    pub(super) fn new(AdminTokens { admin, viewer }: &AdminTokens, with_tls: bool) -> Self {
        let scheme = if with_tls { "https" } else { "http" };
        Guard { token: admin.as_deref().map(hash), viewer_token: viewer.as_deref().map(hash), scheme }
    }

    pub(super) fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    /// Checks a request. Returns the name of the token that it shows; `None`: none is required.
    pub(super) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Option<&'static str>, Problem> {
        let Some(token) = &self.token else { return check_browser(self.scheme, uri, headers).map(|()| None) };
        let name = self.token_name(token, headers)?;
        if may_only_look(Some(name)) && !is_a_look(method, uri) {
            return Err(look_only());
        }
        Ok(Some(name))
    }

    /// The name of the token that the headers contain.
    fn token_name(&self, token: &[u8; 32], headers: &HeaderMap) -> Result<&'static str, Problem> {
        let shown = shown_token(headers)?;
        let is = |token: &[u8; 32]| bool::from(shown.ct_eq(token));
        let is_viewer = self.viewer_token.as_ref().is_some_and(is);
        match is(token) {
            true => Ok(ADMIN),
            false if is_viewer => Ok(VIEWER),
            false => Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong token")),
        }
    }
}

/// Whether requests with the token of this name may not change anything.
pub(super) fn may_only_look(token: Option<&str>) -> bool {
    token == Some(VIEWER)
}

pub(super) fn look_only() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "the viewer token may look, not change: use the admin token")
}

/// Whether a request changes nothing.
fn is_a_look(method: &Method, uri: &Uri) -> bool {
    matches!(*method, Method::GET | Method::HEAD) || (*method == Method::POST && uri.path() == TRY_PATH)
}

/// The hash of the token in the headers.
fn shown_token(headers: &HeaderMap) -> Result<[u8; 32], Problem> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown =
        shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let missing = || Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …");
    shown.map(|(_, shown)| hash(shown.trim())).ok_or_else(missing)
}

fn check_browser(scheme: &str, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |text: &str| Err(Problem::new(StatusCode::FORBIDDEN, text));
    let text = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut hosts = text(header::HOST).chain(uri.authority().map(Authority::as_str)).peekable();
    if hosts.peek().is_none() || !hosts.all(is_this_machine) {
        return forbidden("without a token, the Host header has to name localhost or a loopback address");
    }
    let same = text(header::HOST).next().map(|host| format!("{scheme}://{host}"));
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

    fn guard(admin: Option<&str>, viewer: Option<&str>) -> Guard {
        Guard::new(&AdminTokens { admin: admin.map(str::to_owned), viewer: viewer.map(str::to_owned) }, false)
    }

    fn allowed(guard: &Guard, uri: &str, headers: &[(&str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        });
        let map: HeaderMap = headers.collect();
        guard.check(&Method::GET, &uri.parse().expect("a URI"), &map).is_ok()
    }

    #[test]
    fn only_the_configured_token_is_accepted() {
        let guard = guard(Some("a token of some length"), None);
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
    fn viewer_token_may_look_and_try_and_nothing_else() {
        let guard = guard(Some("the-token-of-admins"), Some("the-token-of-viewers"));
        for (method, path, allowed) in [
            ("GET", "/api/v1/charge-points", true),
            ("HEAD", "/metrics", true),
            ("POST", "/api/v1/try", true),
            ("PUT", "/api/v1/try", false),
            ("POST", "/api/v1/try/x", false),
            ("POST", "/api/v1/transforms", false),
            ("PUT", "/api/v1/log-level", false),
            ("DELETE", "/api/v1/charge-points/CP1", false),
            ("OPTIONS", "/api/v1/charge-points", false),
            ("PATCH", "/nowhere", false),
        ] {
            let (method, uri) = (method.parse().expect("a method"), path.parse().expect("a URI"));
            let name = |token: &str| {
                let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a value");
                guard.check(&method, &uri, &HeaderMap::from_iter([(header::AUTHORIZATION, value)])).ok().flatten()
            };
            assert_eq!(name("the-token-of-viewers"), allowed.then_some(VIEWER), "{method} {path}");
            assert_eq!(name("the-token-of-admins"), Some(ADMIN), "{method} {path}");
            assert_eq!(name("the-token-of-viewer"), None, "{method} {path}");
        }
    }

    #[test]
    fn host_has_to_be_this_machine_without_a_token() {
        let guard = guard(None, None);
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
        let guard = guard(None, None);
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
        let with_tls = Guard::new(&AdminTokens::default(), true);
        for (origin, right) in [("https://localhost:8080", true), ("http://localhost:8080", false)] {
            assert_eq!(allowed(&with_tls, "/", &[("host", "localhost:8080"), ("origin", origin)]), right, "{origin}");
        }
    }
}
