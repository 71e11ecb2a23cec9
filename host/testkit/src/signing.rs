//! Signatures in the format of minisign.

use blake2::{Blake2b512, Digest as _};
use data_encoding::BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// A key that signs files.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: [u8; 8],
}

impl SigningKey {
    /// The same key for the same number.
    pub fn new(number: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a seed of 32 bytes");
        SigningKey { pair, id: [number; 8] }
    }

    /// As `[trust] keys` has it: `RWQ…`.
    pub fn public(&self) -> String {
        BASE64.encode(&[b"Ed", self.id.as_slice(), self.pair.public_key().as_ref()].concat())
    }

    /// As minisign prints it.
    pub fn id(&self) -> String {
        format!("{:016X}", u64::from_le_bytes(self.id))
    }

    /// The file `.minisig` for this content.
    pub fn sign(&self, content: impl AsRef<[u8]>) -> String {
        let signature = self.pair.sign(&Blake2b512::digest(content));
        let comment = "timestamp:0\tfile:test\thashed";
        let global = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let signature = BASE64.encode(&[b"ED", self.id.as_slice(), signature.as_ref()].concat());
        let global = BASE64.encode(global.as_ref());
        format!("untrusted comment: a test\n{signature}\ntrusted comment: {comment}\n{global}\n")
    }
}
