//! Whether a charge point knows its password, without letting everybody wait for the answer.

use super::basic::Basic;
use super::live::Live;
use super::users::{Proof, User, Users};
use crate::handshake::Refused;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use ocpp_gateway_core::Identity;
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Charge points that find a long queue come back 10 seconds later, or up to so many more.
const RETRY_SPREAD: u64 = 50;

/// How long a check takes, before one has been made.
const GUESS: Duration = Duration::from_millis(50);

/// Checks passwords.
///
/// A hash that cannot be guessed backwards is slow to compute: that is done beside the threads that serve charge points,
/// on half of the processors, rounded up. Whoever would wait too long for a turn is told when to come back.
///
/// Of a password that was right a keyed hash is kept, in memory only, under a key that lives as long as the process. So
/// a charge point that comes back, with ten thousand others, costs a microsecond. The price: who can read the gateway's
/// memory can try passwords faster than who has stolen the file; but such a reader sees the passwords themselves go by.
pub struct Check {
    users: Arc<Live<Users>>,
    key: [u8; 32],
    turns: Arc<Semaphore>,
    workers: u64,
    /// Charge points that wait for a turn, or have one.
    waiting: AtomicUsize,
    /// Nanoseconds that the latest checks took.
    usual: AtomicU64,
    longest_wait: Duration,
    sent_away: AtomicU64,
}

impl Check {
    /// Nobody waits longer than `longest_wait` for their turn, as far as can be foreseen.
    pub fn new(users: Arc<Live<Users>>, longest_wait: Duration) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        let workers = processors.div_ceil(2);
        Ok(Check {
            users,
            key,
            turns: Arc::new(Semaphore::new(workers)),
            workers: workers as u64,
            waiting: AtomicUsize::new(0),
            usual: AtomicU64::new(nanoseconds(GUESS)),
            longest_wait,
            sent_away: AtomicU64::new(0),
        })
    }

    /// The name of the user, which is the charge point's identity. Somebody without an entry is found out no sooner than
    /// somebody with a wrong password.
    pub async fn check(&self, identity: &Identity, headers: &HeaderMap) -> Result<String, Refused> {
        let Basic { user, password } =
            Basic::from_headers(headers).map_err(|error| Refused::unauthorized(format!("no credentials: {error}")))?;
        if user != identity.as_str() {
            return Err(Refused::unauthorized("the user name is not the identity in the path"));
        }
        let users = self.users.get();
        let proof = self.prove(&user, &password)?;
        let entry = users.entry(&user);
        if let Some(known) = entry.as_ref().and_then(|entry| entry.proof())
            && same(&known, &proof)
        {
            return Ok(user);
        }
        let (head, _) = proof.split_at(8);
        let number = u64::from_le_bytes(head.try_into().unwrap_or_default());
        let is_known = entry.is_some();
        let Some(entry) = entry.or_else(|| users.somebody(number)) else {
            return Err(wrong(NO_ENTRY));
        };
        let verified = self.verify(Arc::clone(&entry), password).await?;
        if !(verified && is_known) {
            return Err(wrong(if is_known { "the password is another" } else { NO_ENTRY }));
        }
        entry.set_proof(proof);
        Ok(user)
    }

    async fn verify(&self, entry: Arc<User>, password: Vec<u8>) -> Result<bool, Refused> {
        let _place = self.queue()?;
        // The turn is over when the work is, even if nobody waits for it any more.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| self.come_back())?;
        let work = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let verified = entry.verify(&password);
            drop(turn);
            (verified, started.elapsed())
        });
        let (verified, took) = work.await.map_err(|_| self.come_back())?;
        let usual = self.usual.load(Ordering::Relaxed);
        self.usual.store(usual - usual / 8 + nanoseconds(took) / 8, Ordering::Relaxed);
        Ok(verified)
    }

    /// A place in the queue, if it is short enough.
    fn queue(&self) -> Result<Place<'_>, Refused> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.waiting);
        let wait = self.usual.load(Ordering::Relaxed).saturating_mul(before as u64) / self.workers;
        if wait > nanoseconds(self.longest_wait) { Err(self.come_back()) } else { Ok(place) }
    }

    fn come_back(&self) -> Refused {
        let more = self.sent_away.fetch_add(1, Ordering::Relaxed) % RETRY_SPREAD;
        Refused::unavailable("too many charge points show their passwords at once", Duration::from_secs(10 + more))
    }

    /// A keyed hash of user and password: of no use to anybody without the key.
    fn prove(&self, user: &str, password: &[u8]) -> Result<Proof, Refused> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|_| wrong("it cannot be checked"))?;
        // The user's name has no colon, so no two pairs look the same.
        mac.update(user.as_bytes());
        mac.update(b":");
        mac.update(password);
        Ok(mac.finalize().into_bytes().into())
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes the same time wherever the difference is. Both are hashes under a secret key, so that nothing could be learnt
/// from it anyway.
fn same(one: &Proof, other: &Proof) -> bool {
    one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

/// What is said of a charge point without an entry, in the log only.
const NO_ENTRY: &str = "it has no entry in ocpp.auth.users";

/// The same for the client whatever the detail, which is for the log.
pub(super) fn wrong(detail: &'static str) -> Refused {
    Refused::Unauthorized { reason: "wrong user name or password".into(), detail: Some(detail) }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::users::entry;
    use super::*;
    use data_encoding::BASE64;
    use hyper::header::{self, HeaderValue};

    /// Somebody with the password `secret`, as CP1.
    fn check(longest_wait: Duration) -> Check {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), entry("CP1", b"secret").expect("an entry")).expect("written");
        let path = file.path().to_owned();
        let users = Live::new("key", vec![path.clone()], move |before| Users::read(&path, before)).expect("users");
        Check::new(Arc::new(users), longest_wait).expect("a key")
    }

    async fn ask(check: &Check, user: &str, password: &str) -> Result<String, Refused> {
        let mut headers = HeaderMap::new();
        let credentials = format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&credentials).expect("a header"));
        check.check(&Identity::new(user, 48).expect("an identity"), &headers).await
    }

    #[tokio::test]
    async fn a_password_that_was_right_is_not_computed_again() {
        let check = check(Duration::from_secs(5));
        assert!(matches!(ask(&check, "CP1", "wrong").await, Err(Refused::Unauthorized { .. })));
        assert_eq!(ask(&check, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        // Without a turn nothing can be computed any more.
        check.turns.close();
        assert_eq!(ask(&check, "CP1", "secret").await.ok().as_deref(), Some("CP1"));
        assert!(matches!(ask(&check, "CP1", "wrong").await, Err(Refused::Status { .. })));
    }

    #[tokio::test]
    async fn who_has_no_entry_costs_as_much_as_who_has_one() {
        let check = check(Duration::from_secs(5));
        check.turns.close();
        // It asks for a turn, as the one with a wrong password does.
        for user in ["CP1", "CP2"] {
            assert!(matches!(ask(&check, user, "wrong").await, Err(Refused::Status { .. })), "{user}");
        }
    }

    #[test]
    fn a_queue_that_is_too_long_is_not_joined() {
        let check = check(4 * GUESS);
        let places = 4 * usize::try_from(check.workers).expect("some") + 1;
        let waiting: Vec<_> = (0..places).map(|_| check.queue().expect("a place")).collect();
        for _ in 0..3 {
            let Err(Refused::Status { status, retry_after: Some(after), .. }) = check.queue() else {
                panic!("a queue without end")
            };
            assert_eq!(status.as_u16(), 503);
            assert!((10..10 + RETRY_SPREAD).contains(&after.as_secs()));
        }
        drop(waiting);
        assert!(check.queue().is_ok());
    }
}
