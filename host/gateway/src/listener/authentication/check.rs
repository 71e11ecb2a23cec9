//! Whether a charge point knows its password, without letting everybody wait for the answer.

use super::basic::Basic;
use super::error::AuthError;
use super::fair_workers::{FairWorkers, QueuePlace};
use super::live::Live;
use super::users::{Proof, User, Users};
use crate::operations::address::owner;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use ocpp_gateway_core::Identity;
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// Charge points that find a long queue come back 10 seconds later, or up to so many more.
const RETRY_SPREAD: u64 = 50;

/// How long a check takes, before one has been made.
const GUESS: Duration = Duration::from_millis(50);

/// Checks passwords.
///
/// A hash that cannot be guessed backwards is slow to compute: that is done beside the threads that serve charge points,
/// on half of the processors, rounded up. Addresses take turns: wrong passwords from one of them do not keep others
/// waiting. Whoever would wait too long for a turn is told when to come back. A fast hash is computed at once.
///
/// Of a password that was right a keyed hash is kept, in memory only, under a key that lives as long as the process. So
/// a charge point that comes back, with ten thousand others, costs a microsecond. The price: who can read the gateway's
/// memory can try passwords faster than who has stolen the file; but such a reader sees the passwords themselves go by.
pub struct PasswordChecker {
    users: Arc<Live<Users>>,
    key: [u8; 32],
    fair_workers: Arc<FairWorkers>,
    /// Nanoseconds that the latest checks took.
    usual: AtomicU64,
    longest_wait: Duration,
    sent_away: AtomicU64,
}

impl PasswordChecker {
    /// Nobody waits longer than `longest_wait` for their turn, as far as can be foreseen.
    pub fn new(users: Arc<Live<Users>>, longest_wait: Duration) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        let workers = processors.div_ceil(2);
        Ok(PasswordChecker {
            users,
            key,
            fair_workers: FairWorkers::new(workers),
            usual: AtomicU64::new(nanoseconds(GUESS)),
            longest_wait,
            sent_away: AtomicU64::new(0),
        })
    }

    /// The name of the user, which is the charge point's identity. Somebody without an entry is found out no sooner than
    /// somebody with a wrong password.
    pub async fn check(&self, identity: &Identity, headers: &HeaderMap, address: IpAddr) -> Result<String, AuthError> {
        let Basic { user, password } = Basic::from_headers(headers)
            .map_err(|error| AuthError::bad_credentials(format!("no credentials: {error}")))?;
        if user != identity.as_str() {
            return Err(AuthError::bad_credentials("the user name is not the identity in the path"));
        }
        let users = self.users.get();
        let proof = self.prove(&user, &password)?;
        let entry = users.entry(&user);
        if let Some(known) = entry.as_ref().and_then(|entry| entry.proof())
            && bool::from(known.ct_eq(&proof))
        {
            return Ok(user);
        }
        let (head, _) = proof.split_at(8);
        let number = u64::from_le_bytes(head.try_into().unwrap_or_default());
        let is_known = entry.is_some();
        let Some(entry) = entry.or_else(|| users.somebody(number)) else {
            return Err(AuthError::wrong(NO_ENTRY));
        };
        let verified = self.verify(Arc::clone(&entry), password, address).await?;
        if !(verified && is_known) {
            return Err(AuthError::wrong(if is_known { "the password is another" } else { NO_ENTRY }));
        }
        entry.set_proof(proof);
        Ok(user)
    }

    async fn verify(&self, entry: Arc<User>, password: Vec<u8>, address: IpAddr) -> Result<bool, AuthError> {
        if entry.hash.is_fast() {
            return Ok(entry.hash.verify(&password));
        }
        let usual = self.usual.load(Ordering::Relaxed).max(1);
        let longest = nanoseconds(self.longest_wait) / usual;
        // The turn is over when the work is, even if nobody waits for it any more.
        let turn = match self.fair_workers.queue(owner(address), longest).ok_or_else(|| self.come_back())? {
            QueuePlace::Now(turn) => turn,
            QueuePlace::Later(turn) => turn.await.map_err(|_| self.come_back())?,
        };
        let work = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let verified = entry.hash.verify(&password);
            drop(turn);
            (verified, started.elapsed())
        });
        let (verified, took) = work.await.map_err(|_| self.come_back())?;
        let usual = self.usual.load(Ordering::Relaxed);
        self.usual.store(usual - usual / 8 + nanoseconds(took) / 8, Ordering::Relaxed);
        Ok(verified)
    }

    fn come_back(&self) -> AuthError {
        let more = self.sent_away.fetch_add(1, Ordering::Relaxed) % RETRY_SPREAD;
        AuthError::Busy { retry_after: Duration::from_secs(10 + more) }
    }

    /// A keyed hash of user and password: of no use to anybody without the key.
    fn prove(&self, user: &str, password: &[u8]) -> Result<Proof, AuthError> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).map_err(|_| AuthError::wrong("it cannot be checked"))?;
        // The user's name has no colon, so no two pairs look the same.
        mac.update(user.as_bytes());
        mac.update(b":");
        mac.update(password);
        Ok(mac.finalize().into_bytes().into())
    }
}

/// What is said of a charge point without an entry, in the log only.
const NO_ENTRY: &str = "it has no entry in ocpp.auth.users";

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::HashKind;
    use super::super::users::entry;
    use super::*;
    use data_encoding::BASE64;
    use futures_util::FutureExt as _;
    use hyper::header::{self, HeaderValue};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    /// Somebody with the password `secret`, as CP1.
    fn check(longest_wait: Duration, kind: HashKind) -> PasswordChecker {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), entry("CP1", b"secret", kind).expect("an entry")).expect("written");
        let path = file.path().to_owned();
        let users = Live::new("key", vec![path.clone()], move |before| Users::read(&path, before)).expect("users");
        PasswordChecker::new(Arc::new(users), longest_wait).expect("a key")
    }

    async fn ask_from(
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

    async fn ask(check: &PasswordChecker, user: &str, password: &str) -> Result<String, AuthError> {
        ask_from(check, user, password, HERE).await
    }

    /// All turns, so that whoever needs one waits.
    fn occupy(check: &PasswordChecker) -> Vec<QueuePlace> {
        std::iter::repeat_with(|| check.fair_workers.queue(HERE, 0)).map_while(|place| place).collect()
    }

    #[tokio::test]
    async fn a_password_that_was_right_is_not_computed_again() {
        let check = check(Duration::from_secs(5), HashKind::Argon2id);
        assert!(matches!(ask(&check, "CP1", "wrong").await, Err(AuthError::BadCredentials { .. })));
        assert_eq!(ask(&check, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        // Without a turn nothing can be computed any more.
        let _turns = occupy(&check);
        assert_eq!(ask(&check, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        assert!(ask(&check, "CP1", "wrong").now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_has_no_entry_costs_as_much_as_who_has_one() {
        let slow = check(Duration::from_secs(5), HashKind::Argon2id);
        let fair_workers = occupy(&slow);
        // It asks for a turn, as the one with a wrong password does.
        for user in ["CP1", "CP2"] {
            assert!(ask(&slow, user, "wrong").now_or_never().is_none(), "{user}");
        }
        drop(fair_workers);
        let fast = check(Duration::from_secs(5), HashKind::Sha256);
        let _turns = occupy(&fast);
        for user in ["CP1", "CP2"] {
            assert!(matches!(ask(&fast, user, "wrong").now_or_never(), Some(Err(AuthError::BadCredentials { .. }))));
        }
        assert_eq!(ask(&fast, "CP1", "secret").await.ok().as_deref(), Some("CP1"), "it needs no turn");
    }

    #[test]
    fn a_queue_that_is_too_long_is_not_joined_and_is_that_of_one_address() {
        let check = check(4 * GUESS, HashKind::Argon2id);
        let _turns = occupy(&check);
        let mut waiting = Vec::new();
        let refused = loop {
            let mut asked = Box::pin(ask(&check, "CP1", "wrong"));
            match asked.as_mut().now_or_never() {
                None => waiting.push(asked),
                Some(answer) => break answer,
            }
            assert!(waiting.len() < 10_000, "a queue without end");
        };
        let Err(AuthError::Busy { retry_after: after }) = refused else { panic!("{refused:?}") };
        assert!((10..10 + RETRY_SPREAD).contains(&after.as_secs()));
        // The flood of one address is its own affair.
        assert!(ask_from(&check, "CP1", "wrong", ELSEWHERE).now_or_never().is_none());
    }
}
