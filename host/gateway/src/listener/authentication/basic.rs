//! The credentials in an HTTP request (RFC 7617).

use data_encoding::{BASE64, BASE64_NOPAD};
use hyper::{HeaderMap, header};
use std::fmt;

/// User name and password. The password may be any bytes. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Basic {
    pub(super) user: String,
    pub(super) password: Vec<u8>,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why there are no credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCredentials {
    #[error("there are none")]
    Missing,
    #[error("there are several")]
    Several,
    #[error("they are not for Basic authentication")]
    OtherScheme,
    #[error("they are not the Base64 form of user:password")]
    Malformed,
}

impl Basic {
    /// Reads the `Authorization` header, of which there must be one. User name and password are split at the first
    /// colon.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, NoCredentials> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let line = lines.next().ok_or(NoCredentials::Missing)?.as_bytes();
        if lines.next().is_some() {
            return Err(NoCredentials::Several);
        }
        let space = line.iter().position(|byte| *byte == b' ').ok_or(NoCredentials::OtherScheme)?;
        let (scheme, encoded) = line.split_at(space);
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Err(NoCredentials::OtherScheme);
        }
        let encoded = encoded.trim_ascii();
        // Some charge points omit the padding.
        let decoded = BASE64.decode(encoded).or_else(|_| BASE64_NOPAD.decode(encoded));
        let decoded = decoded.map_err(|_| NoCredentials::Malformed)?;
        let colon = decoded.iter().position(|byte| *byte == b':').ok_or(NoCredentials::Malformed)?;
        let user = std::str::from_utf8(&decoded[..colon]).map_err(|_| NoCredentials::Malformed)?;
        Ok(Basic { user: user.to_owned(), password: decoded[colon + 1..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn read(lines: &[&str]) -> Result<Basic, NoCredentials> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(line).expect("a header"));
        }
        Basic::from_headers(&headers)
    }

    #[test]
    fn password_begins_after_the_first_colon_and_may_be_any_bytes() {
        for (credentials, user, password) in [
            (&b"CP1:secret"[..], "CP1", &b"secret"[..]),
            (b"CP1:a:b:", "CP1", b"a:b:"),
            (b"CP1:\xff\x00\xc3", "CP1", b"\xff\x00\xc3"),
            (b"CP1:", "CP1", b""),
            (b":x", "", b"x"),
        ] {
            let expected = Basic { user: user.into(), password: password.into() };
            let encoded = BASE64.encode(credentials);
            for line in [
                format!("Basic {encoded}"),
                format!("basic  {encoded} "),
                format!("BASIC {}", encoded.trim_end_matches('=')),
            ] {
                assert_eq!(read(&[&line]).as_ref(), Ok(&expected), "{line}");
            }
        }
    }

    #[test]
    fn missing_and_malformed_credentials_are_distinguished() {
        for (lines, error) in [
            (&[][..], NoCredentials::Missing),
            (&["Basic Q1A6eA==", "Basic Q1A6eA=="], NoCredentials::Several),
            (&["Bearer Q1A6eA=="], NoCredentials::OtherScheme),
            (&["Basic"], NoCredentials::OtherScheme),
            (&["Basic Q1A6eA==="], NoCredentials::Malformed),
            (&["Basic CP1:secret"], NoCredentials::Malformed),
            (&["Basic Q1Ax"], NoCredentials::Malformed),
        ] {
            assert_eq!(read(lines), Err(error), "{lines:?}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let basic = Basic { user: "CP1".into(), password: b"hunter2".to_vec() };
        let shown = format!("{basic:?}");
        assert!(shown.contains("CP1") && !shown.contains("hunter2") && !shown.contains("104"), "{shown}");
    }
}
