//! Origins (RFC 6454). A browser sends the origin of the page that connects.

use super::values::written_as_text;
use hyper::Uri;
use std::fmt;
use std::str::FromStr;

/// `https://console.example:8443`, a host alone as some charge points send it, or `null`, which browsers send for a
/// page without an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Option<String>,
    /// In lower case, without brackets or a trailing dot.
    host: String,
    port: Option<u16>,
}

/// The text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin such as \"https://console.example\"")]
pub struct BadOrigin(String);

impl Origin {
    /// Whether this is the server that a request names in its `Host`. A browser sends the port unless it is the default
    /// of the scheme. A charge point that sends the server's own address may omit it.
    pub fn is_server(&self, host: &str) -> bool {
        host.parse::<Origin>().is_ok_and(|server| {
            let same_port = match (self.port, server.port) {
                (None, _) => true,
                (Some(own), Some(other)) => own == other,
                (Some(own), None) => own == 80 || own == 443,
            };
            server.scheme.is_none() && server.host == self.host && same_port
        })
    }

    /// Whether two texts are one origin.
    pub fn is_same(&self, other: &Origin) -> bool {
        self.host == other.host && self.scheme == other.scheme && self.full_port() == other.full_port()
    }

    fn full_port(&self) -> Option<u16> {
        self.port.or(match self.scheme.as_deref() {
            Some("http" | "ws") => Some(80),
            Some("https" | "wss") => Some(443),
            _ => None,
        })
    }
}

impl FromStr for Origin {
    type Err = BadOrigin;
    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let bad = || BadOrigin(text.to_owned());
        let uri: Uri = text.trim().trim_end_matches('/').parse().map_err(|_| bad())?;
        let has_no_rest = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
        let authority = uri.authority().filter(|it| has_no_rest && !it.as_str().contains('@')).ok_or_else(bad)?;
        let host = authority.host().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let has_bad_port = authority.port_u16().is_none() && authority.as_str().len() > authority.host().len();
        if host.is_empty() || has_bad_port {
            return Err(bad());
        }
        Ok(Origin { scheme: uri.scheme_str().map(str::to_ascii_lowercase), host, port: authority.port_u16() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        if self.host.contains(':') { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

written_as_text!(Origin, "an origin such as \"https://console.example\"");

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().expect(text)
    }

    #[test]
    fn own_server_is_recognised_by_host_and_port() {
        for (text, host, same) in [
            ("http://gw.example:33033", "gw.example:33033", true),
            ("http://GW.example.:33033", "gw.Example:33033", true),
            ("https://gw.example", "gw.example", true),
            ("https://gw.example:443", "gw.example", true),
            ("gw.example", "gw.example:33033", true),
            ("http://10.0.0.1", "10.0.0.1:33033", true),
            ("http://[::1]:33033", "[::1]:33033", true),
            ("http://gw.example:8081", "gw.example:33033", false),
            ("http://gw.example:8081", "gw.example", false),
            ("http://evil.example", "gw.example", false),
            ("http://gw.example.evil.example", "gw.example", false),
            ("null", "gw.example", false),
            ("http://gw.example", "", false),
            ("http://gw.example", "http://gw.example", false),
        ] {
            assert_eq!(origin(text).is_server(host), same, "{text} {host}");
        }
    }

    #[test]
    fn listed_origins_are_compared_with_default_ports() {
        for (one, other, same) in [
            ("https://a.example", "HTTPS://A.example:443", true),
            ("http://a.example:80", "http://a.example", true),
            ("null", "null", true),
            ("http://a.example", "https://a.example", false),
            ("http://a.example", "http://a.example:81", false),
            ("http://a.example", "http://b.example", false),
        ] {
            assert_eq!(origin(one).is_same(&origin(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn origins_are_written_as_read_and_other_texts_are_refused() {
        for text in ["https://a.example", "http://[fe80::1]:8080", "null", "a.example:1"] {
            assert_eq!(origin(text).to_string(), text);
        }
        for text in ["", "http://", "http://a b", "http://a.example/page", "http://user@a.example", "http://a:x", "/x"]
        {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
