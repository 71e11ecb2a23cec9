//! Queues that are served in turn, one request of each.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Requests that wait.
pub(super) trait Queue<T>: Default {
    fn pop(&mut self) -> Option<T>;
    fn len(&self) -> usize;
}

/// A queue for each key. Those that are empty are not kept.
#[derive(Debug)]
pub(super) struct RoundRobin<K, Q> {
    queues: HashMap<K, Q>,
    /// The keys, the next one first.
    order: VecDeque<K>,
}

impl<T> Queue<T> for VecDeque<T> {
    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }

    fn len(&self) -> usize {
        VecDeque::len(self)
    }
}

impl<K, Q> Default for RoundRobin<K, Q> {
    fn default() -> Self {
        RoundRobin { queues: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Clone, Q: Default> RoundRobin<K, Q> {
    pub(super) fn get(&self, key: &K) -> Option<&Q> {
        self.queues.get(key)
    }

    /// The queue of this key, which has to be given a request.
    pub(super) fn of(&mut self, key: &K) -> &mut Q {
        if !self.queues.contains_key(key) {
            self.order.push_back(key.clone());
        }
        self.queues.entry(key.clone()).or_default()
    }

    /// Requests that come before a new one of `key`, if `own` of its own queue do: of each other queue, at most one
    /// more.
    pub(super) fn before<T>(&self, key: &K, own: usize) -> usize
    where
        Q: Queue<T>,
    {
        let others = self.queues.iter().filter(|(other, _)| *other != key);
        own + others.map(|(_, queue)| queue.len().min(own + 1)).sum::<usize>()
    }
}

impl<T, K: Hash + Eq + Clone, Q: Queue<T>> Queue<T> for RoundRobin<K, Q> {
    fn pop(&mut self) -> Option<T> {
        let key = self.order.pop_front()?;
        let queue = self.queues.get_mut(&key)?;
        let next = queue.pop();
        if queue.len() == 0 {
            self.queues.remove(&key);
        } else {
            self.order.push_back(key);
        }
        next
    }

    fn len(&self) -> usize {
        self.queues.values().map(Queue::len).sum()
    }
}
