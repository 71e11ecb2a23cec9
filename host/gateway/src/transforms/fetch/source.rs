//! What the configuration may name as a source that is not on this machine.

use super::address::{Address, BadAddress};
use super::oci::{BadReference, Reference};
use std::fmt;
use std::str::FromStr;

/// A component that is elsewhere: `https://…`, `http://…` on loopback, or `oci://…`.
///
/// `Display` gives the text as configured, with its secrets if there are some; for logs there is
/// [`redacted`](Self::redacted).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RemoteSource {
    text: String,
    pub(super) place: Place,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Web(Address),
    Registry(Reference),
}

/// Why a text names no component that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSource {
    #[error("{0}")]
    Address(#[from] BadAddress),
    #[error("{0}")]
    Reference(#[from] BadReference),
    #[error("has the scheme {0:?}: components are fetched from https://, oci:// and, on loopback, http://")]
    Scheme(String),
    #[error("wants two slashes after the colon: {0}://…")]
    Slashes(&'static str),
}

impl RemoteSource {
    /// The source without user name, password and query of an address.
    pub(crate) fn redacted(&self) -> String {
        match &self.place {
            Place::Web(address) => address.to_string(),
            Place::Registry(_) => self.text.clone(),
        }
    }
}

impl FromStr for RemoteSource {
    type Err = BadSource;
    fn from_str(text: &str) -> Result<Self, BadSource> {
        if let Some(scheme) = slashes_missing(text) {
            return Err(BadSource::Slashes(scheme));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| BadSource::Scheme(String::new()))?;
        let place = match scheme.to_ascii_lowercase().as_str() {
            "oci" => Place::Registry(Reference::parse(rest)?),
            "http" | "https" => Place::Web(Address::parse(text)?),
            other => return Err(BadSource::Scheme(other.to_owned())),
        };
        Ok(RemoteSource { text: text.to_owned(), place })
    }
}

impl fmt::Display for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// The scheme of a text such as `oci:registry/name`.
fn slashes_missing(text: &str) -> Option<&'static str> {
    let (scheme, rest) = text.split_once(':')?;
    let known = ["https", "http", "oci"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    (!rest.starts_with("//")).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_displayed_as_configured_and_redacted_for_logs() {
        for text in ["HTTPS://a:b@example.org/x?c=d", "oci://ghcr.io/me/a:1", "http://127.0.0.1:1/x"] {
            let source: RemoteSource = text.parse().expect(text);
            assert_eq!(source.to_string(), text);
            assert_eq!(source.clone(), source);
        }
        let source: RemoteSource = "https://a:b@example.org/x?c=d".parse().expect("a source");
        assert_eq!(source.redacted(), "https://example.org/x");
        assert_eq!(format!("{source:?}"), "https://example.org/x");
    }

    #[test]
    fn fault_says_what_is_wanted_instead() {
        for (text, fault) in [
            ("ftp://a/b", BadSource::Scheme("ftp".into())),
            ("oci:a/b", BadSource::Slashes("oci")),
            ("https:/a/b", BadSource::Slashes("https")),
            ("http://example.org/b", BadSource::Address(BadAddress::Unencrypted)),
            ("https:///b", BadSource::Address(BadAddress::Invalid)),
            ("oci://a", BadSource::Reference(BadReference::NoName)),
        ] {
            assert_eq!(text.parse::<RemoteSource>(), Err(fault), "{text}");
        }
        let text = "http://example.org/b".parse::<RemoteSource>().expect_err("unencrypted").to_string();
        assert!(text.contains("use https"), "{text}");
    }
}
