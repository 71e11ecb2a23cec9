//! The formats of password hashes in the file of users.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params};
use clap::ValueEnum;
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::pbkdf2;
use sha2::{Digest as _, Sha256};
use std::num::NonZeroU32;
use subtle::ConstantTimeEq as _;

/// KiB of memory that one hash may use: more than any guide recommends, and not enough to exhaust the gateway.
const MAX_MEMORY: u32 = 1 << 20;
/// PBKDF2 rounds that one hash may use: some seconds.
const MAX_ROUNDS: u32 = 10_000_000;
/// PBKDF2 rounds of a new entry, as OWASP recommends.
const NEW_ROUNDS: u32 = 600_000;

/// The hash of a new entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum HashKind {
    /// Slow, and uses memory: for passwords that can be guessed
    #[default]
    Argon2id,
    /// Slow
    Pbkdf2Sha256,
    /// Fast: for passwords of machines, long and random
    Sha256,
}

/// A password hash from the file of users.
pub(super) enum StoredHash {
    /// PHC format: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    Argon2(Box<str>),
    /// `$pbkdf2-sha256$i=…,l=32$salt$hash`, also as passlib (`$pbkdf2-sha256$rounds$salt$hash`) and mosquitto
    /// (`$7$rounds$salt$hash`, of SHA-512) write it.
    Pbkdf2 { algorithm: pbkdf2::Algorithm, rounds: NonZeroU32, salt: Box<[u8]>, hash: Box<[u8]> },
    /// `sha256:salt:hash`: hex of the SHA-256 of the salt, as it stands there, and the password (EMQX's `sha256` with
    /// `salt_position = prefix`).
    Sha256 { salt: Box<str>, hash: [u8; 32] },
}

impl StoredHash {
    /// Parses a hash. Errors quote none of its text.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        if let Some(rest) = text.strip_prefix("sha256:") {
            return read_sha256(rest);
        }
        let parts = text.strip_prefix('$').and_then(|text| text.split_once('$'));
        let (kind, rest) = parts.ok_or("what follows the identity is no password hash")?;
        match kind {
            "pbkdf2-sha256" => read_pbkdf2(pbkdf2::PBKDF2_HMAC_SHA256, rest),
            "pbkdf2-sha512" | "7" => read_pbkdf2(pbkdf2::PBKDF2_HMAC_SHA512, rest),
            _ => check_argon2(text).map(|()| StoredHash::Argon2(text.into())),
        }
    }

    /// The hash of a new password, as it is written in the file.
    pub(super) fn make(kind: HashKind, password: &[u8]) -> anyhow::Result<String> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(match kind {
            HashKind::Argon2id => {
                // The minimum that OWASP recommends: 19 MiB, 2 passes.
                let salt = SaltString::encode_b64(&salt).map_err(anyhow::Error::msg)?;
                Argon2::default().hash_password(password, &salt).map_err(anyhow::Error::msg)?.to_string()
            }
            HashKind::Pbkdf2Sha256 => {
                let (mut hash, rounds) = ([0; 32], NonZeroU32::new(NEW_ROUNDS).unwrap_or(NonZeroU32::MIN));
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password, &mut hash);
                let (salt, hash) = (BASE64_NOPAD.encode(&salt), BASE64_NOPAD.encode(&hash));
                format!("$pbkdf2-sha256$i={rounds},l=32${salt}${hash}")
            }
            HashKind::Sha256 => {
                let salt = HEXLOWER.encode(&salt);
                let hash = salted(&salt, password);
                format!("sha256:{salt}:{}", HEXLOWER.encode(&hash))
            }
        })
    }

    /// Whether `password` has this hash. Takes a microsecond, or tens of milliseconds by design: see
    /// [`is_fast`](Self::is_fast). The comparison takes constant time.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            // Valid: it was checked by `read`.
            StoredHash::Argon2(text) => {
                PasswordHash::new(text).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
            }
            StoredHash::Pbkdf2 { algorithm, rounds, salt, hash } => {
                pbkdf2::verify(*algorithm, *rounds, salt, password, hash).is_ok()
            }
            StoredHash::Sha256 { salt, hash } => salted(salt, password).ct_eq(hash).into(),
        }
    }

    /// Whether verification takes no longer than to pass it to another thread.
    pub(super) fn is_fast(&self) -> bool {
        matches!(self, StoredHash::Sha256 { .. })
    }
}

fn salted(salt: &str, password: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

fn read_sha256(rest: &str) -> Result<StoredHash, &'static str> {
    let (salt, hash) = rest.rsplit_once(':').ok_or("it is not of the form sha256:salt:hash")?;
    if salt.is_empty() {
        return Err("the hash has no salt");
    }
    let hash = HEXLOWER_PERMISSIVE.decode(hash.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
    Ok(StoredHash::Sha256 { salt: salt.into(), hash: hash.ok_or("the hash is not 64 hex digits")? })
}

fn read_pbkdf2(algorithm: pbkdf2::Algorithm, rest: &str) -> Result<StoredHash, &'static str> {
    let [params, salt, hash] = *rest.split('$').collect::<Vec<_>>() else { return Err("the hash is not complete") };
    let rounds = params.split(',').find_map(|param| param.strip_prefix("i=")).unwrap_or(params);
    let rounds: NonZeroU32 = rounds.parse().map_err(|_| "the parameters of the hash are not valid")?;
    if rounds.get() > MAX_ROUNDS {
        return Err("the hash asks for more than 10,000,000 rounds");
    }
    let (salt, hash) = (base64(salt)?, base64(hash)?);
    // A wrong password could match a shorter hash by chance.
    if hash.len() < 16 {
        return Err("the hash is too short");
    }
    Ok(StoredHash::Pbkdf2 { algorithm, rounds, salt, hash })
}

/// Decodes Base64 with or without padding, and with passlib's dot for a plus.
fn base64(text: &str) -> Result<Box<[u8]>, &'static str> {
    let text = text.replace('.', "+");
    let text = text.as_bytes();
    let decoded = BASE64.decode(text).or_else(|_| BASE64_NOPAD.decode(text));
    decoded.map(Vec::into_boxed_slice).map_err(|_| "salt or hash are not in Base64")
}

fn check_argon2(text: &str) -> Result<(), &'static str> {
    let hash = PasswordHash::new(text).map_err(|_| "what follows the identity is no password hash")?;
    if Algorithm::try_from(hash.algorithm) != Ok(Algorithm::Argon2id) {
        return Err("the hash is none of argon2id, pbkdf2-sha256, pbkdf2-sha512, sha256");
    }
    let params = Params::try_from(&hash).map_err(|_| "the parameters of the hash are not valid")?;
    if params.m_cost() > MAX_MEMORY {
        return Err("the hash asks for more than 1 GiB of memory");
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("the hash is not complete");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_hash_verifies_only_its_password() {
        let password = b"a:b\xff\0";
        for kind in HashKind::value_variants() {
            let text = StoredHash::make(*kind, password).expect("a hash");
            let hash = StoredHash::read(&text).expect("read again");
            assert!(hash.verify(password) && !hash.verify(b"a:b"), "{kind:?}");
            assert!(text != StoredHash::make(*kind, password).expect("a hash"), "each has a salt of its own");
        }
    }

    /// The first three are made by Python's hashlib, the third in passlib's format; the last by mosquitto_passwd 2.0.
    #[test]
    fn hashes_of_other_programs_are_verified() {
        for text in [
            "sha256:pepper:869a1fa0609a1d15a5c3eb891428b7a6c8395b2ee10c4762e97ffca0ebe8c0b5",
            "$pbkdf2-sha256$i=1000,l=32$++++AQIDBAUGBwgJ$dXz3SSwAy1TLTKcnGg9sK6o0D5UGTRt2yubBix0nefI",
            "$pbkdf2-sha256$29000$....AQIDBAUGBwgJ$euJ38Po3r3Ew8AozcAb9Mu5XKknK8oy7RZsP/kckwn8",
            "$7$101$TTa6QrDRW89hL1KS$\
             6aU+niH20Phakfinw0ZiWAY3AqR/MgrhXrCncwr1kojR1kHV8SkrXHmAD16JrSn3nj/paO8tUFOZlZzTqW/NDA==",
        ] {
            let hash = StoredHash::read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert!(hash.verify(b"correct horse") && !hash.verify(b"correct horsE"), "{text}");
        }
    }

    #[test]
    fn invalid_hashes_are_refused_with_a_reason() {
        for (text, fault) in [
            ("", "what follows the identity is no password hash"),
            ("sha256:abc", "it is not of the form sha256:salt:hash"),
            ("sha256::00", "the hash has no salt"),
            ("sha256:salt:00ff", "the hash is not 64 hex digits"),
            ("$pbkdf2-sha256$i=1$c2FsdA", "the hash is not complete"),
            ("$pbkdf2-sha256$i=0$c2FsdA$c2FsdA", "the parameters of the hash are not valid"),
            ("$pbkdf2-sha256$99999999$c2FsdA$c2FsdA", "the hash asks for more than 10,000,000 rounds"),
            ("$pbkdf2-sha256$i=1000$c2FsdA$c2FsdA", "the hash is too short"),
            ("$pbkdf2-sha256$i=1000$?$c2FsdA", "salt or hash are not in Base64"),
        ] {
            assert_eq!(StoredHash::read(text).err(), Some(fault), "{text}");
        }
    }
}
