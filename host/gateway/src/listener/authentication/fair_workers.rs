//! Permits for work that is slow by design. Addresses are served round-robin, so that one of them cannot occupy all
//! workers.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Grants as many permits at a time as there are workers.
#[derive(Debug)]
pub(super) struct FairWorkers {
    workers: usize,
    state: Mutex<WorkersState>,
}

#[derive(Debug)]
struct WorkersState {
    free: usize,
    /// Waiting requests, by address.
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<WorkPermit>>>,
    /// Addresses with waiting requests, the next one first.
    order: VecDeque<IpAddr>,
}

/// The permit to work. When it is dropped, the next request gets it.
#[derive(Debug)]
pub(super) struct WorkPermit(Option<Arc<FairWorkers>>);

/// The place of a request in the queue.
#[derive(Debug)]
pub(super) enum QueuePlace {
    Now(WorkPermit),
    Later(oneshot::Receiver<WorkPermit>),
}

impl FairWorkers {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        let state = WorkersState { free: workers, waiting: HashMap::new(), order: VecDeque::new() };
        Arc::new(FairWorkers { workers, state: Mutex::new(state) })
    }

    /// Queues a request of `address`. `None`: more than `longest` requests per worker come before it.
    pub(super) fn queue(self: &Arc<Self>, address: IpAddr, longest: u64) -> Option<QueuePlace> {
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            return Some(QueuePlace::Now(WorkPermit(Some(Arc::clone(self)))));
        }
        if (state.before(address) + self.workers) as u64 / self.workers as u64 > longest {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let WorkersState { waiting, order, .. } = &mut *state;
        let queue = waiting.entry(address).or_default();
        if queue.is_empty() {
            order.push_back(address);
        }
        queue.push_back(sender);
        Some(QueuePlace::Later(receiver))
    }

    fn pass_on(self: Arc<Self>) {
        let mut state = self.state.lock();
        let mut permit = WorkPermit(Some(Arc::clone(&self)));
        while let Some(next) = state.next() {
            match next.send(permit) {
                Ok(()) => return,
                // The request was cancelled.
                Err(unused) => permit = unused,
            }
        }
        permit.0 = None;
        state.free += 1;
    }
}

impl WorkersState {
    /// Requests that come before a new one of `address`. Of each other address, at most as many as of its own plus one.
    fn before(&self, address: IpAddr) -> usize {
        let own = self.waiting.get(&address).map_or(0, VecDeque::len);
        let others = self.waiting.iter().filter(|(other, _)| **other != address);
        own + others.map(|(_, queue)| queue.len().min(own + 1)).sum::<usize>()
    }

    fn next(&mut self) -> Option<oneshot::Sender<WorkPermit>> {
        let address = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&address)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&address);
        } else {
            self.order.push_back(address);
        }
        next
    }
}

impl Drop for WorkPermit {
    fn drop(&mut self) {
        if let Some(fair_workers) = self.0.take() {
            fair_workers.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn later(fair_workers: &Arc<FairWorkers>, last: u8) -> oneshot::Receiver<WorkPermit> {
        match fair_workers.queue(address(last), u64::MAX).expect("room in the queue") {
            QueuePlace::Later(receiver) => receiver,
            QueuePlace::Now(_) => panic!("all workers are busy"),
        }
    }

    #[test]
    fn addresses_are_served_round_robin() {
        let fair_workers = FairWorkers::new(1);
        let Some(QueuePlace::Now(permit)) = fair_workers.queue(address(1), 0) else { panic!("no worker is free") };
        let flood: Vec<_> = (0..100).map(|_| later(&fair_workers, 1)).collect();
        let (two, three) = (later(&fair_workers, 2), later(&fair_workers, 3));
        let mut waiting: Vec<_> = flood.into_iter().chain([two, three]).collect();
        let mut permit = Some(permit);
        let mut order = Vec::new();
        while let Some(done) = permit.take() {
            drop(done);
            let next = waiting.iter_mut().position(|receiver| match receiver.try_recv() {
                Ok(granted) => permit.insert(granted).0.is_some(),
                Err(_) => false,
            });
            order.extend(next);
        }
        assert_eq!(order.len(), 102);
        assert_eq!(order[..4], [0, 100, 101, 1]);
        assert!(fair_workers.state.lock().waiting.is_empty() && fair_workers.state.lock().order.is_empty());
    }

    #[test]
    fn queue_length_is_limited_per_address() {
        let fair_workers = FairWorkers::new(2);
        let busy = [fair_workers.queue(address(1), 0), fair_workers.queue(address(1), 0)];
        assert!(busy.iter().all(|place| matches!(place, Some(QueuePlace::Now(_)))));
        let waiting: Vec<_> = (0..20).map_while(|_| fair_workers.queue(address(1), 4)).collect();
        assert_eq!(waiting.len(), 8, "four for each worker");
        // A request of another address comes before most of them.
        assert!(fair_workers.queue(address(2), 4).is_some() && fair_workers.queue(address(1), 4).is_none());
        drop(waiting);
        drop(busy);
        assert_eq!(fair_workers.state.lock().free, 2, "cancelled requests get no permit");
    }
}
