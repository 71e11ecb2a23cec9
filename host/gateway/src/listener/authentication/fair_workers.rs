//! Permits for work that is slow by design. Listeners are served in turn, and so are the addresses of each: none of
//! them can occupy all workers.

use super::round_robin::{Queue as _, RoundRobin};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Grants as many permits at a time as there are workers.
#[derive(Debug)]
pub(super) struct FairWorkers {
    workers: usize,
    state: Mutex<WorkersState>,
}

type ByAddress = RoundRobin<IpAddr, VecDeque<oneshot::Sender<WorkPermit>>>;

#[derive(Debug)]
struct WorkersState {
    free: usize,
    /// Waiting requests, by the name of their listener and by address.
    waiting: RoundRobin<Arc<str>, ByAddress>,
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
        let state = WorkersState { free: workers, waiting: RoundRobin::default() };
        Arc::new(FairWorkers { workers, state: Mutex::new(state) })
    }

    /// Queues a request of `address` at `listener`. `None`: more than `longest` requests per worker come before it.
    pub(super) fn queue(self: &Arc<Self>, listener: &Arc<str>, address: IpAddr, longest: u64) -> Option<QueuePlace> {
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            return Some(QueuePlace::Now(WorkPermit(Some(Arc::clone(self)))));
        }
        if (state.before(listener, address) + self.workers) as u64 / self.workers as u64 > longest {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.of(listener).of(&address).push_back(sender);
        Some(QueuePlace::Later(receiver))
    }

    fn pass_on(self: Arc<Self>) {
        let mut state = self.state.lock();
        let mut permit = WorkPermit(Some(Arc::clone(&self)));
        while let Some(next) = state.waiting.pop() {
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
    /// Requests that come before a new one.
    fn before(&self, listener: &Arc<str>, address: IpAddr) -> usize {
        let of_listener = self.waiting.get(listener).map_or(0, |waiting| {
            let own = waiting.get(&address).map_or(0, VecDeque::len);
            waiting.before(&address, own)
        });
        self.waiting.before(listener, of_listener)
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

    fn later(fair_workers: &Arc<FairWorkers>, listener: &str, last: u8) -> oneshot::Receiver<WorkPermit> {
        match fair_workers.queue(&listener.into(), address(last), u64::MAX).expect("room in the queue") {
            QueuePlace::Later(receiver) => receiver,
            QueuePlace::Now(_) => panic!("all workers are busy"),
        }
    }

    /// The only permit.
    fn only(fair_workers: &Arc<FairWorkers>) -> WorkPermit {
        match fair_workers.queue(&"a".into(), address(1), 0) {
            Some(QueuePlace::Now(permit)) => permit,
            _ => panic!("no worker is free"),
        }
    }

    /// The places of the requests in the order in which they get the permit.
    fn served(permit: WorkPermit, mut waiting: Vec<oneshot::Receiver<WorkPermit>>) -> Vec<usize> {
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
        order
    }

    #[test]
    fn addresses_are_served_round_robin() {
        let fair_workers = FairWorkers::new(1);
        let permit = only(&fair_workers);
        let flood: Vec<_> = (0..100).map(|_| later(&fair_workers, "a", 1)).collect();
        let waiting = flood.into_iter().chain([2, 3].map(|last| later(&fair_workers, "a", last))).collect();
        let order = served(permit, waiting);
        assert_eq!(order.len(), 102);
        assert_eq!(order[..4], [0, 100, 101, 1]);
        let state = fair_workers.state.lock();
        assert!(state.free == 1 && state.waiting.len() == 0 && state.waiting.get(&"a".into()).is_none());
    }

    #[test]
    fn many_addresses_of_one_listener_do_not_delay_another_listener() {
        let fair_workers = FairWorkers::new(1);
        let permit = only(&fair_workers);
        let flood: Vec<_> = (0..100).map(|last| later(&fair_workers, "a", last)).collect();
        // The last one has the address of one of the flood.
        let waiting: Vec<_> =
            flood.into_iter().chain([200, 201, 0].map(|last| later(&fair_workers, "b", last))).collect();
        assert!(fair_workers.queue(&"c".into(), address(0), 3).is_some(), "one of each other listener comes before it");
        assert!(fair_workers.queue(&"a".into(), address(202), 100).is_none());
        let order = served(permit, waiting);
        assert_eq!(order[..7], [0, 100, 1, 101, 2, 102, 3]);
    }

    #[test]
    fn queue_length_is_limited_per_address() {
        let fair_workers = FairWorkers::new(2);
        let busy = [fair_workers.queue(&"a".into(), address(1), 0), fair_workers.queue(&"a".into(), address(1), 0)];
        assert!(busy.iter().all(|place| matches!(place, Some(QueuePlace::Now(_)))));
        let waiting: Vec<_> = (0..20).map_while(|_| fair_workers.queue(&"a".into(), address(1), 4)).collect();
        assert_eq!(waiting.len(), 8, "four for each worker");
        // A request of another address comes before most of them.
        assert!(
            fair_workers.queue(&"a".into(), address(2), 4).is_some()
                && fair_workers.queue(&"a".into(), address(1), 4).is_none()
        );
        drop(waiting);
        drop(busy);
        assert_eq!(fair_workers.state.lock().free, 2, "cancelled requests get no permit");
    }
}
