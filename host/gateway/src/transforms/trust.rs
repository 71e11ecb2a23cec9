//! Signatures of code: only what one of the keys of `[trust]` has signed runs.

use super::limits::MAX_SIGNATURE;
use crate::config::{KeyId, PublicKey, TrustConfig};
use minisign_verify::Signature;
use ocpp_gateway_pipeline::Verify;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The keys of `[trust]`. Without any, all code is trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedKeys(Vec<PublicKey>);

/// Why code is not trusted. Each text says which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error(
        "it is not signed, and [trust] wants a signature by {wanted}: sign it with `minisign -S -m FILE`, and keep \
         FILE.minisig beside it"
    )]
    Missing { wanted: String },
    #[error("its signature is truncated, or none of minisign; [trust] wants one by {wanted}")]
    Unreadable { wanted: String },
    #[error(
        "its signature has the legacy form, which is not accepted; [trust] wants one by {wanted}: sign again with \
         minisign 0.11 or later, without `-l`"
    )]
    Legacy { wanted: String },
    #[error("it is signed with key {found}, and [trust] wants {wanted}")]
    OtherKey { found: KeyId, wanted: String },
    #[error(
        "its signature with key {key} does not match: it was made for other content, or one of the two has changed since"
    )]
    OtherContent { key: KeyId },
}

impl TrustedKeys {
    pub(crate) fn new(config: &TrustConfig) -> Self {
        TrustedKeys(config.keys.clone())
    }

    /// Whether code needs no signature.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `content` may run. `signature`: the text of a `.minisig` file, if there is one.
    ///
    /// Signatures of the legacy form (`Ed`, of the content itself and not of its hash) are refused, as the documentation
    /// of `minisign-verify` advises.
    pub(crate) fn verify(&self, content: &[u8], signature: Option<&str>) -> Result<(), SignatureError> {
        if self.is_empty() {
            return Ok(());
        }
        let text = signature.ok_or_else(|| SignatureError::Missing { wanted: self.wanted(|key| key.to_string()) })?;
        let ids = || self.wanted(|key| key.id().to_string());
        let key_id = text.lines().nth(1).and_then(KeyId::of);
        let (Ok(signature), Some(found)) = (Signature::decode(text), key_id) else {
            return Err(SignatureError::Unreadable { wanted: ids() });
        };
        let mut error = SignatureError::OtherKey { found, wanted: ids() };
        for key in self.0.iter().filter(|key| key.id() == found) {
            error = match key.key().verify(content, &signature, false) {
                Ok(()) => return Ok(()),
                Err(minisign_verify::Error::UnexpectedAlgorithm) => SignatureError::Legacy { wanted: ids() },
                Err(_) => SignatureError::OtherContent { key: found },
            };
        }
        Err(error)
    }

    /// For the files of transforms. `None`: they need no signatures.
    pub(crate) fn verifier(self) -> Option<Arc<dyn Verify>> {
        (!self.is_empty()).then(|| Arc::new(self) as Arc<dyn Verify>)
    }

    /// The file with the signature of `path`, if files need one.
    pub(crate) fn signature_file(&self, path: &Path) -> Option<PathBuf> {
        (!self.is_empty()).then(|| {
            let mut name = OsString::from(path);
            name.push(".minisig");
            name.into()
        })
    }

    /// The keys in a sentence.
    fn wanted(&self, text: impl Fn(&PublicKey) -> String) -> String {
        let keys: Vec<String> = self.0.iter().map(text).collect();
        match keys.as_slice() {
            [one] => format!("key {one}"),
            _ => format!("one of the keys {}", keys.join(", ")),
        }
    }
}

impl Verify for TrustedKeys {
    /// The signature is in the file beside it, `PATH.minisig`.
    fn verify(&self, path: &Path, content: &[u8]) -> Result<(), String> {
        let Some(file) = self.signature_file(path) else { return Ok(()) };
        let signature = read(&file).map_err(|error| format!("its signature {}: {error}", file.display()))?;
        self.verify(content, signature.as_deref()).map_err(|error| error.to_string())
    }
}

/// The text of a signature. `None`: there is no such file.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Reading a pipe may never end.
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is not a regular file")),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is more.
    File::open(path)?.take(MAX_SIGNATURE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_SIGNATURE {
        return Err(io::Error::other(format!("it has more than {MAX_SIGNATURE} bytes")));
    }
    // What is no text is refused as unreadable.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by minisign 0.11 with keys that sign nothing else.
    const ONE: &str = "RWSzkJsvnEzbTPk8KoKWWpIxzcxUEikZjAY/CwiuB/6iuFl+zHA60sot";
    const TWO: &str = "RWStBzFBQszAy7PpDOYw6UIAs0lCJczJM0aPACSzctJ+Wzu6v8cGI/31";
    const CONTENT: &[u8] = b"a transform\n";
    const BY_ONE: &str = "untrusted comment: signature from minisign secret key\n\
        RUSzkJsvnEzbTOqrrRIyCrkmLiqxGnJPi8GlXThxDCvitD6LWKhsHxXtFcla1C8/g2zrtWuN2faUWENnc2+87L5vsqknqNB6JQw=\n\
        trusted comment: timestamp:1796001415\tfile:t.wasm\thashed\n\
        LHENoOmOGa9Dsd5iOCRR6R1V+8cuJQIDm7pBIoV/5Q+S/gW3TFj1cMmi0MnCmqJ54QFEhbbbewcVeZClDhpzDQ==\n";
    const LEGACY_BY_ONE: &str = "untrusted comment: signature from minisign secret key\n\
        RWSzkJsvnEzbTOnYxW3nwLdEqVY7JTgCShIyCQY2DWTQczo35RoJRF3FmY94uOSFac9YQ/DxNidG17qHd4DMQmJuT7CeoxNf6gU=\n\
        trusted comment: timestamp:1796001415\tfile:t.wasm\n\
        Zy9Inby6s28VQoDk/9F7uaFF0fk9VtV+qYTwWdpPDO7x5+o/kSQ3Xbo4hHINLmOmLt9HVwLpjFT5IhBsspwABQ==\n";

    fn trusted(keys: &[&str]) -> TrustedKeys {
        TrustedKeys(keys.iter().map(|key| key.parse().expect("a key")).collect())
    }

    fn refusal(keys: &[&str], content: &[u8], signature: Option<&str>) -> String {
        trusted(keys).verify(content, signature).expect_err("refused").to_string()
    }

    #[test]
    fn content_signed_with_one_of_the_keys_is_trusted() {
        for keys in [[ONE].as_slice(), &[TWO, ONE], &[ONE, TWO]] {
            assert_eq!(trusted(keys).verify(CONTENT, Some(BY_ONE)), Ok(()));
            // Windows.
            assert_eq!(trusted(keys).verify(CONTENT, Some(&BY_ONE.replace('\n', "\r\n"))), Ok(()));
        }
    }

    #[test]
    fn everything_is_trusted_without_keys() {
        for signature in [None, Some("nonsense"), Some(BY_ONE)] {
            assert_eq!(TrustedKeys::default().verify(b"else", signature), Ok(()));
        }
    }

    #[test]
    fn refusal_names_the_wanted_keys_and_what_to_do() {
        let missing = refusal(&[ONE, TWO], CONTENT, None);
        assert!([ONE, TWO, "minisign -S"].iter().all(|part| missing.contains(part)), "{missing}");
        let other = refusal(&[TWO], CONTENT, Some(BY_ONE));
        assert_eq!(other, "it is signed with key 4CDB4C9C2F9B90B3, and [trust] wants key CBC0CC42413107AD");
        let content = refusal(&[ONE], b"another transform\n", Some(BY_ONE));
        assert!(content.contains("4CDB4C9C2F9B90B3 does not match"), "{content}");
        let legacy = refusal(&[ONE], CONTENT, Some(LEGACY_BY_ONE));
        assert!(legacy.contains("legacy") && legacy.contains("4CDB4C9C2F9B90B3"), "{legacy}");
    }

    #[test]
    fn changed_signatures_are_refused() {
        // The trusted comment is signed, too.
        for (from, to) in [("hashed", "Hashed"), ("RUSzkJsvnEzbTOqr", "RUSzkJsvnEzbTOqs"), ("LHENo", "LHENp")] {
            let error = trusted(&[ONE]).verify(CONTENT, Some(&BY_ONE.replace(from, to))).expect_err("refused");
            assert!(matches!(error, SignatureError::OtherContent { .. }), "{from}: {error}");
        }
        // A legacy signature that claims to be none.
        let renamed = LEGACY_BY_ONE.replace("RWSz", "RUSz");
        assert!(matches!(trusted(&[ONE]).verify(CONTENT, Some(&renamed)), Err(SignatureError::OtherContent { .. })));
    }

    #[test]
    fn truncated_and_random_texts_are_refused() {
        // The line break at the end may be absent.
        for length in 0..BY_ONE.len() - 1 {
            let error = trusted(&[ONE]).verify(CONTENT, Some(&BY_ONE[..length])).expect_err("refused");
            assert!(matches!(error, SignatureError::Unreadable { .. }), "{length}: {error}");
        }
        assert_eq!(trusted(&[ONE]).verify(CONTENT, Some(BY_ONE.trim_end())), Ok(()));
        for text in ["", "\n\n\n\n", "ü\nRUSü\ntrusted comment: ü\nü", &"A".repeat(MAX_SIGNATURE), "a\nAAAA\nb\nAAAA"]
        {
            let error = trusted(&[ONE]).verify(CONTENT, Some(text)).expect_err("refused");
            assert!(error.to_string().contains("wants one by key 4CDB4C9C2F9B90B3"), "{error}");
        }
    }
}
