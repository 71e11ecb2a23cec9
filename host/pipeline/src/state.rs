//! The state of a transform: it outlives instances and versions, and ends with the process.

use crate::abi::StateError;
use crate::settings::Limits;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The values of one transform. All its instances share them, so each call takes the lock briefly.
pub(crate) struct StateStore(Mutex<StateEntries>);

#[derive(Clone)]
struct StateEntries {
    limits: Limits,
    values: HashMap<Arc<str>, Entry>,
    /// Keys that expire, with the time of expiry, the earliest first.
    expiring: BTreeSet<(Duration, Arc<str>)>,
    /// Size of all keys and values.
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    value: Vec<u8>,
    /// On the same clock as `now`; `None`: never.
    expires: Option<Duration>,
}

impl Entry {
    fn is_alive(&self, now: Duration) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl StateStore {
    pub(crate) fn new(limits: Limits) -> Self {
        StateStore(Mutex::new(StateEntries { limits, values: HashMap::new(), expiring: BTreeSet::new(), bytes: 0 }))
    }

    /// A store of its own with the same values.
    pub(crate) fn copy(&self) -> Self {
        StateStore(Mutex::new(self.0.lock().clone()))
    }

    /// Existing values stay, even if they exceed the new limits.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.0.lock().limits = limits;
    }

    pub(crate) fn get(&self, key: &str, now: Duration) -> Option<Vec<u8>> {
        let entries = self.0.lock();
        entries.values.get(key).filter(|entry| entry.is_alive(now)).map(|entry| entry.value.clone())
    }

    pub(crate) fn set(&self, key: &str, value: &[u8], ttl_s: Option<u32>, now: Duration) -> Result<(), StateError> {
        self.0.lock().set(key, value, ttl_s, now)
    }

    /// Returns whether there was a value.
    pub(crate) fn delete(&self, key: &str, now: Duration) -> bool {
        self.0.lock().remove(key).is_some_and(|entry| entry.is_alive(now))
    }

    /// Returns whether the value was as expected, and was set.
    pub(crate) fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_s: Option<u32>,
        now: Duration,
    ) -> Result<bool, StateError> {
        let mut entries = self.0.lock();
        let current = entries.values.get(key).filter(|entry| entry.is_alive(now)).map(|entry| entry.value.as_slice());
        if current != expected {
            return Ok(false);
        }
        entries.set(key, value, ttl_s, now).map(|()| true)
    }
}

impl StateEntries {
    fn set(&mut self, key: &str, value: &[u8], ttl_s: Option<u32>, now: Duration) -> Result<(), StateError> {
        self.clear_expired(now);
        self.check_room(key, value)?;
        let key: Arc<str> = match self.values.get_key_value(key) {
            Some((known, _)) => known.clone(),
            None => key.into(),
        };
        self.remove(&key);
        self.bytes += key.len() + value.len();
        let expires = ttl_s.map(|seconds| now + Duration::from_secs(seconds.into()));
        self.expiring.extend(expires.map(|expires| (expires, key.clone())));
        self.values.insert(key, Entry { value: value.to_vec(), expires });
        Ok(())
    }

    /// Removes expired values. Of the others it looks only at the next one to expire, so a full store costs no more
    /// than an empty one.
    fn clear_expired(&mut self, now: Duration) {
        while let Some((expires, key)) = self.expiring.first()
            && *expires <= now
        {
            let key = key.clone();
            self.remove(&key);
        }
    }

    fn check_room(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        let (replaced_keys, replaced_bytes) =
            self.values.get(key).map_or((0, 0), |entry| (1, key.len() + entry.value.len()));
        if self.values.len() - replaced_keys >= self.limits.state_keys {
            return Err(StateError::TooManyKeys);
        }
        if self.bytes - replaced_bytes + key.len() + value.len() > self.limits.state_bytes {
            return Err(StateError::TooLarge);
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Option<Entry> {
        let (key, entry) = self.values.remove_entry(key)?;
        self.bytes -= key.len() + entry.value.len();
        if let Some(expires) = entry.expires {
            self.expiring.remove(&(expires, key));
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn state_store(keys: usize, bytes: usize) -> StateStore {
        StateStore::new(Limits { state_keys: keys, state_bytes: bytes, ..Limits::default() })
    }

    #[test]
    fn values_expire() {
        let state_store = state_store(10, 100);
        state_store.set("a", &[1], Some(2), NOW).expect("room");
        assert_eq!(state_store.get("a", NOW + Duration::from_millis(1999)), Some(vec![1]));
        assert_eq!(state_store.get("a", NOW + Duration::from_secs(2)), None);
        assert!(!state_store.delete("a", NOW + Duration::from_secs(2)));
    }

    #[test]
    fn expired_values_make_room_within_the_key_and_byte_limits() {
        let state_store = state_store(2, 10);
        state_store.set("a", &[0; 4], Some(1), NOW).expect("room");
        assert_eq!(state_store.set("b", &[0; 5], None, NOW), Err(StateError::TooLarge));
        state_store.set("b", &[0; 4], None, NOW).expect("room");
        assert_eq!(state_store.set("c", &[], None, NOW), Err(StateError::TooManyKeys));
        state_store.set("b", &[0; 1], None, NOW).expect("a value may replace itself");
        let later = NOW + Duration::from_secs(1);
        state_store.set("c", &[0; 7], None, later).expect("a has expired");
        assert_eq!(state_store.get("a", later), None);
        assert_eq!(state_store.get("b", later), Some(vec![0]));
    }

    #[test]
    fn full_store_accepts_a_new_key_only_after_another_has_expired() {
        let state_store = state_store(3, 100);
        state_store.set("a", &[1], Some(1), NOW).expect("room");
        state_store.set("b", &[1], Some(2), NOW).expect("room");
        state_store.set("c", &[1], None, NOW).expect("room");
        // A replaced value gets the new time of expiry.
        state_store.set("a", &[2], Some(3), NOW).expect("room");
        let after = |seconds| NOW + Duration::from_secs(seconds);
        assert_eq!(state_store.set("d", &[], None, after(1)), Err(StateError::TooManyKeys));
        state_store.set("d", &[], Some(1), after(2)).expect("b has expired");
        assert_eq!(state_store.get("a", after(2)), Some(vec![2]));
        assert!(state_store.delete("d", after(2)));
        state_store.set("e", &[], None, after(2)).expect("d and its time of expiry are gone");
        state_store.set("f", &[], None, after(3)).expect("a has expired");
        let entries = state_store.0.lock();
        assert_eq!((entries.values.len(), entries.expiring.len(), entries.bytes), (3, 0, 4));
    }

    #[test]
    fn compare_and_set_sets_only_if_the_value_is_as_expected() {
        let state_store = state_store(10, 100);
        assert_eq!(state_store.compare_and_set("a", Some(b"x"), &[1], None, NOW), Ok(false));
        assert_eq!(state_store.compare_and_set("a", None, &[1], Some(1), NOW), Ok(true));
        assert_eq!(state_store.compare_and_set("a", None, &[2], None, NOW), Ok(false));
        assert_eq!(state_store.compare_and_set("a", Some(&[1]), &[2], None, NOW), Ok(true));
        assert_eq!(state_store.get("a", NOW + Duration::from_secs(9)), Some(vec![2]));
    }
}
