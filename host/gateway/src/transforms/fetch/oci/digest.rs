//! Digests, by which registries name content.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The SHA-256 of a manifest or blob. As text `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

/// A text that is no such digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no digest: wanted sha256: and 64 hexadecimal digits in lower case")]
pub(crate) struct BadDigest;

impl Digest {
    pub(super) fn of(content: &[u8]) -> Self {
        Digest(Sha256::digest(content).into())
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let digits = text.strip_prefix("sha256:").ok_or(BadDigest)?;
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| BadDigest)?;
        bytes.try_into().map(Digest).map_err(|_| BadDigest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_read_and_written() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.parse(), Ok(Digest::of(b"")));
        assert_eq!(Digest::of(b"").to_string(), text);
        for bad in ["", "sha256:", &text.replace("sha256", "sha512"), &text.to_uppercase(), &text[..70], &text[7..]] {
            assert_eq!(bad.parse::<Digest>(), Err(BadDigest), "{bad}");
        }
    }
}
