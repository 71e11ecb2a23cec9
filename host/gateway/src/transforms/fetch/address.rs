//! Addresses on the web: which may be asked, and which of their parts may be shown.

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::IpAddr;
use ureq::http::Uri;
use ureq::http::uri::PathAndQuery;

/// An absolute address with the scheme `https`, or `http` on loopback.
///
/// `Display` and `Debug` leave out user name, password and query, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(
    /// Boxed, as each error has one.
    Box<Uri>,
);

/// Why a text is not an [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    #[error("is not a valid address")]
    Invalid,
    #[error("names no host")]
    NoHost,
    #[error("has a scheme other than https and http")]
    Scheme,
    #[error("is unencrypted, which is for 127.0.0.0/8, [::1] and localhost only: use https")]
    Unencrypted,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, BadAddress> {
        let uri: Uri = text.parse().map_err(|_| BadAddress::Invalid)?;
        let address = Address(Box::new(uri));
        if address.host().is_empty() {
            return Err(BadAddress::NoHost);
        }
        match address.0.scheme_str() {
            Some("https") => Ok(address),
            Some("http") if address.is_loopback() => Ok(address),
            Some("http") => Err(BadAddress::Unencrypted),
            _ => Err(BadAddress::Scheme),
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The header `Authorization` for user name and password of the address, if it has them.
    pub(super) fn authorization(&self) -> Option<String> {
        let (login, _) = self.0.authority()?.as_str().rsplit_once('@')?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
        Some(basic(&decoded(user), &decoded(password)))
    }

    /// Whether scheme, host and port are the same: credentials for one are meant for the other.
    pub(super) fn same_origin(&self, other: &Address) -> bool {
        let port = |address: &Address| address.0.port_u16().unwrap_or(if address.is_https() { 443 } else { 80 });
        self.0.scheme() == other.0.scheme()
            && self.host().eq_ignore_ascii_case(other.host())
            && port(self) == port(other)
    }

    /// Whether a server at this address may send the gateway to `other`: not from `https` to `http`, not even on
    /// loopback, where a stranger must not make the gateway ask.
    pub(super) fn may_lead_to(&self, other: &Address) -> bool {
        other.is_https() || !self.is_https()
    }

    /// The address in a `Location` header, which may be relative to this one.
    pub(super) fn join(&self, location: &str) -> Result<Self, BadAddress> {
        let (scheme, authority) = (self.0.scheme_str().unwrap_or_default(), self.0.authority());
        let host = authority.map(without_user).unwrap_or_default();
        let path = self.0.path();
        if has_scheme(location) {
            Address::parse(location)
        } else if location.starts_with("//") {
            Address::parse(&format!("{scheme}:{location}"))
        } else if location.starts_with('/') {
            Address::parse(&format!("{scheme}://{host}{location}"))
        } else if location.starts_with('?') {
            Address::parse(&format!("{scheme}://{host}{path}{location}"))
        } else {
            let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
            Address::parse(&format!("{scheme}://{host}{folder}{location}"))
        }
    }

    /// The same address with `suffix` after its path.
    pub(super) fn with_suffix(&self, suffix: &str) -> Result<Self, BadAddress> {
        let query = self.0.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{suffix}{query}", self.0.path()).parse::<PathAndQuery>();
        let mut parts = Uri::clone(&self.0).into_parts();
        parts.path_and_query = Some(path.map_err(|_| BadAddress::Invalid)?);
        Uri::from_parts(parts).map(|uri| Address(Box::new(uri))).map_err(|_| BadAddress::Invalid)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.authority().map(without_user).unwrap_or_default();
        write!(f, "{}://{host}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A header `Authorization` (RFC 7617).
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// Whether a host, without its port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let number = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || number.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a text begins with a scheme and a colon (RFC 3986, 3.1).
pub(super) fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn without_user(authority: &ureq::http::uri::Authority) -> &str {
    authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn only_loopback_is_asked_without_encryption() {
        for text in ["http://127.0.0.1/a", "http://127.8.9.1:81/", "http://LOCALHOST:8080/a", "http://[::1]:1/a"] {
            assert_eq!(address(text).to_string(), text);
        }
        for text in ["http://example.org/a", "http://10.0.0.1/a", "http://127.0.0.1.example.org/a", "http://127.1/a"] {
            assert_eq!(Address::parse(text), Err(BadAddress::Unencrypted), "{text}");
        }
        assert_eq!(Address::parse("ftp://example.org/a"), Err(BadAddress::Scheme));
        assert_eq!(Address::parse("/a"), Err(BadAddress::NoHost));
        assert_eq!(Address::parse("https://exa mple.org/a"), Err(BadAddress::Invalid));
    }

    #[test]
    fn secrets_of_an_address_are_not_shown() {
        let text = "https://user:secret@example.org:8443/a/b.wasm?token=secret";
        assert_eq!(address(text).to_string(), "https://example.org:8443/a/b.wasm");
        assert_eq!(format!("{:?}", address(text)), "https://example.org:8443/a/b.wasm");
    }

    #[test]
    fn locations_are_relative_to_the_address() {
        let from = address("https://user:secret@example.org/a/b?c");
        for (location, expected) in [
            ("https://other.org/x", "https://other.org/x"),
            ("//other.org/x", "https://other.org/x"),
            ("/x:y", "https://example.org/x:y"),
            ("x", "https://example.org/a/x"),
            ("?x", "https://example.org/a/b?x"),
        ] {
            assert_eq!(from.join(location).expect(location).uri(), expected, "{location}");
        }
        assert_eq!(from.join("http://example.org/x"), Err(BadAddress::Unencrypted));
    }

    #[test]
    fn suffix_goes_before_the_query() {
        let suffixed = address("https://a:b@example.org/a.wasm?c=d").with_suffix(".minisig").expect("an address");
        assert_eq!(suffixed.uri(), "https://a:b@example.org/a.wasm.minisig?c=d");
    }

    #[test]
    fn origin_is_scheme_host_and_port() {
        let from = address("https://example.org/a");
        assert!(from.same_origin(&address("https://EXAMPLE.org:443/b")));
        for other in ["https://example.org:444/a", "https://sub.example.org/a", "https://localhost/a"] {
            assert!(!from.same_origin(&address(other)), "{other}");
        }
        assert!(!address("http://localhost:443/").same_origin(&address("https://localhost/")));
    }
}
