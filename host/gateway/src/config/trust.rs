//! `[trust]`: whose signatures code has to have.

use super::values::written_as_text;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whose signatures code has to have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustConfig {
    /// With at least one of them, no unsigned code runs, except what is built in and what the configuration file itself
    /// contains.
    pub keys: Vec<PublicKey>,
}

/// A public key of minisign, written as `RWQ…`, the second line of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: minisign_verify::PublicKey,
    id: KeyId,
    text: String,
}

/// The number of a key pair, which minisign prints as 16 hex digits. It is in the public key and in each signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// `encoded`: the base64 text of a public key or of a signature, which begins with two bytes for the algorithm.
    pub(crate) fn of(encoded: &str) -> Option<Self> {
        let bytes = BASE64.decode(encoded.trim().as_bytes()).ok()?;
        Some(KeyId(bytes.get(2..10)?.try_into().ok()?))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// The text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no public key of minisign: it has to be the second line of the file that `minisign -G` writes, \
     56 characters that begin with RW"
)]
pub struct BadPublicKey(String);

impl PublicKey {
    pub(crate) fn key(&self) -> &minisign_verify::PublicKey {
        &self.key
    }

    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for PublicKey {
    type Err = BadPublicKey;

    /// Also reads both lines of the file of a key.
    fn from_str(text: &str) -> Result<Self, BadPublicKey> {
        let bad = || BadPublicKey(text.to_owned());
        let encoded = match text.trim().split_once('\n') {
            Some((comment, encoded)) if comment.starts_with("untrusted comment:") => encoded.trim(),
            _ => text.trim(),
        };
        let key = minisign_verify::PublicKey::from_base64(encoded).map_err(|_| bad())?;
        let id = KeyId::of(encoded).ok_or_else(bad)?;
        Ok(PublicKey { key, id, text: encoded.to_owned() })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

written_as_text!(PublicKey, "a public key of minisign such as \"RWQ…\"");

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWSzkJsvnEzbTPk8KoKWWpIxzcxUEikZjAY/CwiuB/6iuFl+zHA60sot";

    #[test]
    fn key_is_read_from_its_line_or_its_file() {
        let file = format!("untrusted comment: minisign public key 4CDB4C9C2F9B90B3\n{KEY}\n");
        for text in [KEY, &file, &file.replace('\n', "\r\n"), &format!(" {KEY}\n")] {
            let key: PublicKey = text.parse().expect(text);
            assert_eq!((key.to_string().as_str(), key.id().to_string().as_str()), (KEY, "4CDB4C9C2F9B90B3"));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let secret = "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
        let other_algorithm = KEY.replacen("RW", "AA", 1);
        for text in ["", "RWQ", &KEY[..55], &format!("{KEY}A"), &format!("comment\n{KEY}"), secret, &other_algorithm] {
            assert_eq!(text.parse::<PublicKey>(), Err(BadPublicKey(text.to_owned())));
        }
    }
}
