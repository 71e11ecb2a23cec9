//! Charge point identities.

use crate::characters::is_unprintable;
use crate::publish::is_disallowed_in_topics;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::sync::Arc;

/// The identity of a charge point: the last segment of the path it connects to, percent-decoded (OCPP-J 1.6 section
/// 3.1.1; OCPP 2.0.1 part 4 section 3.1.1). Safe as one level of an MQTT topic and as one segment of a URL, and each of its
/// characters shows where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Arc<str>);

/// Why a path or name is not a charge point identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    #[error("the path is not {base}/<charge point identity>")]
    WrongPath { base: String },
    #[error("the identity is empty")]
    Empty,
    #[error("the identity is longer than {limit} characters")]
    TooLong { limit: usize },
    #[error("the identity contains {0:?}")]
    IllegalCharacter(char),
    /// RFC 3986 section 5.2.4: clients remove such segments from a URL, also when they are percent-encoded.
    #[error("the identity is {0:?}, which URLs cannot name")]
    DotSegment(String),
    #[error("the identity is not UTF-8 once percent-decoded")]
    NotUtf8,
    /// RFC 3986 section 2.1: `%` is followed by two hexadecimal digits.
    #[error("the path has a % without two hexadecimal digits after it")]
    InvalidEscape,
}

impl Identity {
    /// Checks a name that is already decoded. `limit` is in characters (Unicode scalar values).
    pub fn new(name: &str, limit: usize) -> Result<Self, InvalidIdentity> {
        if name.is_empty() {
            return Err(InvalidIdentity::Empty);
        }
        if matches!(name, "." | "..") {
            return Err(InvalidIdentity::DotSegment(name.to_owned()));
        }
        // `/`, `+` and `#` would change the meaning of an MQTT topic; brokers may close the connection over what topics
        // disallow; what does not show would make identities look like others, and reorder the text beside them.
        let is_illegal = |c: char| matches!(c, '/' | '+' | '#') || is_disallowed_in_topics(c) || is_unprintable(c);
        if let Some(bad) = name.chars().find(|c| is_illegal(*c)) {
            return Err(InvalidIdentity::IllegalCharacter(bad));
        }
        if name.chars().count() > limit {
            return Err(InvalidIdentity::TooLong { limit });
        }
        Ok(Identity(name.into()))
    }

    /// Reads the identity from a request path such as `/ocpp/CP%20001`, where `base` is `/ocpp`. A query is ignored.
    /// Empty segments are ignored too: charge points send double and trailing slashes.
    pub fn from_path(path: &str, base: &str, limit: usize) -> Result<Self, InvalidIdentity> {
        let wrong_path = || InvalidIdentity::WrongPath { base: base.trim_end_matches('/').to_owned() };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut rest = segments(path);
        if !path.starts_with('/') || !segments(base).all(|segment| rest.next() == Some(segment)) {
            return Err(wrong_path());
        }
        let segment = rest.next().ok_or(InvalidIdentity::Empty)?;
        if rest.next().is_some() {
            return Err(wrong_path());
        }
        if has_invalid_escape(segment) {
            return Err(InvalidIdentity::InvalidEscape);
        }
        let name = percent_decode_str(segment).decode_utf8().map_err(|_| InvalidIdentity::NotUtf8)?;
        Identity::new(&name, limit)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn has_invalid_escape(segment: &str) -> bool {
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    segment.split('%').skip(1).any(|rest| !is_escape(rest))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Identity {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<String, InvalidIdentity> {
        Identity::from_path(path, "/ocpp", 48).map(|identity| identity.to_string())
    }

    #[test]
    fn the_last_segment_is_percent_decoded() {
        assert_eq!(read("/ocpp/CP001"), Ok("CP001".into()));
        assert_eq!(read("/ocpp/CP%20001?token=1"), Ok("CP 001".into()));
        assert_eq!(read("/ocpp/RDAM%7C123/"), Ok("RDAM|123".into()));
        assert_eq!(Identity::new("CP1", 48).expect("an identity").as_str(), "CP1");
    }

    #[test]
    fn root_is_accepted_as_base_path() {
        assert_eq!(Identity::from_path("/CP1", "/", 48).map(|i| i.to_string()), Ok("CP1".into()));
    }

    #[test]
    fn empty_segments_are_ignored() {
        for path in ["/ocpp//CP1", "//ocpp/CP1", "/ocpp/CP1//", "///ocpp///CP1///"] {
            assert_eq!(read(path), Ok("CP1".into()), "{path}");
        }
        for (base, path) in [("/", "//CP1"), ("/a/b", "/a//b/CP1"), ("/a//b/", "/a/b/CP1")] {
            assert_eq!(Identity::from_path(path, base, 48).map(|i| i.to_string()), Ok("CP1".into()), "{base} {path}");
        }
    }

    #[test]
    fn invalid_escapes_and_invalid_utf8_are_different_errors() {
        for path in ["/ocpp/%", "/ocpp/CP%4", "/ocpp/%ZZ", "/ocpp/CP%1%20", "/ocpp/%%20", "/ocpp/%+1", "/ocpp/100%é"] {
            assert_eq!(read(path), Err(InvalidIdentity::InvalidEscape), "{path}");
        }
        assert_eq!(read("/ocpp/%FF"), Err(InvalidIdentity::NotUtf8));
        assert_eq!(read("/other/%ZZ"), Err(InvalidIdentity::WrongPath { base: "/ocpp".into() }));
    }

    #[test]
    fn characters_that_break_topics_are_refused() {
        for (path, bad) in [
            ("/ocpp/a%2Fb", '/'),
            ("/ocpp/a+b", '+'),
            ("/ocpp/a%23b", '#'),
            ("/ocpp/a%00b", '\0'),
            ("/ocpp/a%C2%85b", '\u{85}'),
            ("/ocpp/a%EF%B7%90b", '\u{fdd0}'),
            ("/ocpp/a%EF%BF%BFb", '\u{ffff}'),
        ] {
            assert_eq!(read(path), Err(InvalidIdentity::IllegalCharacter(bad)), "{path}");
        }
    }

    #[test]
    fn identities_that_urls_cannot_name_are_refused() {
        for path in ["/ocpp/.", "/ocpp/..", "/ocpp/%2e", "/ocpp/.%2E", "/ocpp/%2e%2e/"] {
            assert!(matches!(read(path), Err(InvalidIdentity::DotSegment(_))), "{path}");
        }
        for name in ["...", ".CP1", "CP1.", "a..b", ". "] {
            assert_eq!(Identity::new(name, 48).map(|it| it.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn characters_that_do_not_show_are_refused() {
        for bad in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{ad}', '\u{feff}', '\u{2028}', '\u{e0041}'] {
            let name = format!("CP{bad}1");
            assert_eq!(Identity::new(&name, 48), Err(InvalidIdentity::IllegalCharacter(bad)), "{name:?}");
        }
        // All that an identifierString of OCPP 2.0.1 may have but `+`, and what is seen besides.
        for name in ["aZ09*-_=:|@.", "Säule 7", "充电桩-1", "محطة", "a\\b~(1)%", "⚡"] {
            assert_eq!(Identity::new(name, 48).map(|it| it.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn empty_long_and_foreign_paths_are_refused() {
        for path in ["/ocpp", "/ocpp/", "/ocpp//"] {
            assert_eq!(read(path), Err(InvalidIdentity::Empty), "{path}");
        }
        assert_eq!(read(&format!("/ocpp/{}", "é".repeat(48))).map(|i| i.chars().count()), Ok(48));
        assert_eq!(read(&format!("/ocpp/{}", "x".repeat(49))), Err(InvalidIdentity::TooLong { limit: 48 }));
        for path in ["/", "", "*", "ocpp/CP1", "/ocppX/CP1", "/other/CP1", "/ocpp/a/b", "/ocpp//a//b"] {
            assert_eq!(read(path), Err(InvalidIdentity::WrongPath { base: "/ocpp".into() }), "{path}");
        }
    }
}
