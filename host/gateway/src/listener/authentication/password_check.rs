//! Password checks, limited so that a flood of wrong passwords does not delay other charge points.

use super::basic::Basic;
use super::error::AuthError;
use super::hash_workers::{Client, HashWorkers};
use super::users::{KeyedHash, User, Users};
use crate::operations::address::counted_address;
use crate::operations::live_files::Live;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use ocpp_gateway_core::Identity;
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// `Retry-After` of a refusal because of a long queue is 10 seconds plus up to this many.
const RETRY_SPREAD: u64 = 50;

/// Checks passwords.
///
/// Slow hashes are left to [`HashWorkers`]. Listeners and their addresses are served round-robin: wrong passwords from
/// one address do not delay others. A request that would wait too long is refused with a time to retry. Fast hashes are
/// computed at once.
///
/// After a successful check, a keyed hash of the password is kept in memory, with a key that lives as long as the
/// process. So when ten thousand charge points reconnect, each check takes a microsecond. The price: with read
/// security to the gateway's memory, passwords can be tried faster than with the file alone. But that memory also
/// contains the passwords themselves.
pub struct PasswordChecker {
    users: Arc<Live<Users>>,
    key: [u8; 32],
    workers: Arc<HashWorkers>,
    /// The name of the listener.
    listener: Arc<str>,
    longest_wait: Duration,
    /// Number of requests that were refused because of a long queue.
    refused: AtomicU64,
}

impl PasswordChecker {
    /// `workers`: those of all listeners. `longest_wait`: requests that are estimated to wait longer for one are refused.
    pub fn new(
        users: Arc<Live<Users>>,
        workers: Arc<HashWorkers>,
        listener: &str,
        longest_wait: Duration,
    ) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let listener = Arc::from(listener);
        Ok(PasswordChecker { users, key, workers, listener, longest_wait, refused: AtomicU64::new(0) })
    }

    /// Checks the credentials, whose user name has to be the identity. Returns the user name. Unknown users take as
    /// long to reject as wrong passwords, so that timing reveals no user names.
    pub async fn check(&self, identity: &Identity, headers: &HeaderMap, address: IpAddr) -> Result<String, AuthError> {
        let Basic { user, password } = Basic::from_headers(headers)
            .map_err(|error| AuthError::bad_credentials(format!("no credentials: {error}")))?;
        if user != identity.as_str() {
            return Err(AuthError::bad_credentials("the user name is not the identity in the path"));
        }
        let users = self.users.get();
        let keyed_hash = self.keyed_hash(&user, &password)?;
        let entry = users.entry(&user);
        if let Some(known) = entry.as_ref().and_then(|entry| entry.keyed_hash())
            && bool::from(known.ct_eq(&keyed_hash))
        {
            return Ok(user);
        }
        let (head, _) = keyed_hash.split_at(8);
        let number = u64::from_le_bytes(head.try_into().unwrap_or_default());
        let is_known = entry.is_some();
        let Some(entry) = entry.or_else(|| users.stand_in(number)) else {
            return Err(self.unknown_user());
        };
        let verified = self.verify(Arc::clone(&entry), password, address).await?;
        if !is_known {
            return Err(self.unknown_user());
        }
        if !verified {
            return Err(AuthError::wrong("the password is wrong"));
        }
        entry.set_keyed_hash(keyed_hash);
        Ok(user)
    }

    async fn verify(&self, entry: Arc<User>, password: Vec<u8>, address: IpAddr) -> Result<bool, AuthError> {
        if entry.hash.is_fast() {
            return Ok(entry.hash.verify(&password));
        }
        let client = Client { listener: &self.listener, address: counted_address(address) };
        self.workers.verify(entry, password, client, self.longest_wait).await.ok_or_else(|| self.busy())
    }

    fn unknown_user(&self) -> AuthError {
        AuthError::wrong(format!("it has no entry in {}", self.users.key()))
    }

    fn busy(&self) -> AuthError {
        let more = self.refused.fetch_add(1, Ordering::Relaxed) % RETRY_SPREAD;
        AuthError::Busy { retry_after: Duration::from_secs(10 + more) }
    }

    /// A keyed hash of user name and password. Without the key it is useless.
    fn keyed_hash(&self, user: &str, password: &[u8]) -> Result<KeyedHash, AuthError> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).map_err(|_| AuthError::wrong("it cannot be checked"))?;
        // User names have no colon, so two different pairs never give the same input.
        mac.update(user.as_bytes());
        mac.update(b":");
        mac.update(password);
        Ok(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::HashKind;
    use super::super::fair_workers::QueuePlace;
    use super::super::hash_workers::INITIAL_ESTIMATE;
    use super::super::users::entry;
    use super::*;
    use data_encoding::BASE64;
    use futures_util::FutureExt as _;
    use hyper::header::{self, HeaderValue};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    /// A checker with one user: CP1 with the password `secret`.
    fn checker(longest_wait: Duration, kind: HashKind) -> PasswordChecker {
        checker_of("a", HashWorkers::new(), longest_wait, kind)
    }

    fn checker_of(
        listener: &str,
        workers: Arc<HashWorkers>,
        longest_wait: Duration,
        kind: HashKind,
    ) -> PasswordChecker {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), entry("CP1", b"secret", kind).expect("an entry")).expect("written");
        let path = file.path().to_owned();
        let users = Live::new("key", vec![path.clone()], move |before| Users::read(&path, before)).expect("users");
        PasswordChecker::new(Arc::new(users), workers, listener, longest_wait).expect("a key")
    }

    async fn check_from(
        check: &PasswordChecker,
        user: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<String, AuthError> {
        let mut headers = HeaderMap::new();
        let credentials = format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&credentials).expect("a header"));
        check.check(&Identity::new(user, 48).expect("an identity"), &headers, address).await
    }

    async fn check_password(check: &PasswordChecker, user: &str, password: &str) -> Result<String, AuthError> {
        check_from(check, user, password, HERE).await
    }

    /// Takes all permits, so that every slow check has to wait.
    fn take_all_permits(check: &PasswordChecker) -> Vec<QueuePlace> {
        std::iter::repeat_with(|| check.workers.permits.queue(&check.listener, HERE, 0))
            .map_while(|permit| permit)
            .collect()
    }

    #[tokio::test]
    async fn hash_of_a_correct_password_is_not_computed_again() {
        let check = checker(Duration::from_secs(5), HashKind::Argon2id);
        assert!(matches!(check_password(&check, "CP1", "wrong").await, Err(AuthError::BadCredentials { .. })));
        assert_eq!(check_password(&check, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        // Without permits no slow hash can be computed.
        let _permits = take_all_permits(&check);
        assert_eq!(check_password(&check, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        assert!(check_password(&check, "CP1", "wrong").now_or_never().is_none());
    }

    #[tokio::test]
    async fn unknown_users_take_as_long_as_wrong_passwords() {
        let slow = checker(Duration::from_secs(5), HashKind::Argon2id);
        let permits = take_all_permits(&slow);
        // An unknown user waits for a permit, as a wrong password does.
        for user in ["CP1", "CP2"] {
            assert!(check_password(&slow, user, "wrong").now_or_never().is_none(), "{user}");
        }
        drop(permits);
        let fast = checker(Duration::from_secs(5), HashKind::Sha256);
        let _permits = take_all_permits(&fast);
        for user in ["CP1", "CP2"] {
            assert!(matches!(
                check_password(&fast, user, "wrong").now_or_never(),
                Some(Err(AuthError::BadCredentials { .. }))
            ));
        }
        assert_eq!(check_password(&fast, "CP1", "secret").await.ok().as_deref(), Some("CP1"), "it needs no permit");
    }

    #[test]
    fn too_long_queue_of_one_address_is_refused_and_other_addresses_are_not() {
        let check = checker(4 * INITIAL_ESTIMATE, HashKind::Argon2id);
        let _permits = take_all_permits(&check);
        let mut waiting = Vec::new();
        let refused = loop {
            let mut pending = Box::pin(check_password(&check, "CP1", "wrong"));
            match pending.as_mut().now_or_never() {
                None => waiting.push(pending),
                Some(answer) => break answer,
            }
            assert!(waiting.len() < 10_000, "a queue without end");
        };
        let Err(AuthError::Busy { retry_after: after }) = refused else { panic!("{refused:?}") };
        assert!((10..10 + RETRY_SPREAD).contains(&after.as_secs()));
        // A flood of one address does not fill the queue of another.
        assert!(check_from(&check, "CP1", "wrong", ELSEWHERE).now_or_never().is_none());
    }

    #[tokio::test]
    async fn listeners_share_workers_and_a_removed_one_leaves_none_behind() {
        let workers = HashWorkers::new();
        let [stays, goes] = ["stays", "goes"]
            .map(|name| checker_of(name, Arc::clone(&workers), Duration::from_secs(60), HashKind::Argon2id));
        let permits = take_all_permits(&stays);
        assert!(check_password(&goes, "CP1", "secret").now_or_never().is_none(), "no worker of its own");
        drop(goes);
        let count = permits.len();
        drop(permits);
        assert_eq!(check_password(&stays, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        assert_eq!(take_all_permits(&stays).len(), count, "requests that ended hold no permit");
        assert_eq!(Arc::strong_count(&workers), 2, "those of the removed listener are gone");
    }
}
