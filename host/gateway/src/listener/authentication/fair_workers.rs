//! Turns at work that is slow by design: addresses take turns, so that one of them cannot occupy all workers.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Hands out as many turns at a time as there are workers.
#[derive(Debug)]
pub(super) struct FairWorkers {
    workers: usize,
    state: Mutex<WorkersState>,
}

#[derive(Debug)]
struct WorkersState {
    free: usize,
    /// Who waits, by address.
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<WorkPermit>>>,
    /// Addresses with somebody who waits; the first one is next.
    order: VecDeque<IpAddr>,
}

/// The right to do work, passed on when it is dropped.
#[derive(Debug)]
pub(super) struct WorkPermit(Option<Arc<FairWorkers>>);

/// A place among those who wait.
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

    /// A place for `address`, unless more than `longest` pieces of work come before it on each worker.
    pub(super) fn queue(self: &Arc<Self>, address: IpAddr, longest: u64) -> Option<QueuePlace> {
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            return Some(QueuePlace::Now(WorkPermit(Some(Arc::clone(self)))));
        }
        if (state.before(address) + self.workers) as u64 / self.workers as u64 > longest {
            return None;
        }
        let (turn, place) = oneshot::channel();
        let WorkersState { waiting, order, .. } = &mut *state;
        let queue = waiting.entry(address).or_default();
        if queue.is_empty() {
            order.push_back(address);
        }
        queue.push_back(turn);
        Some(QueuePlace::Later(place))
    }

    fn pass_on(self: Arc<Self>) {
        let mut state = self.state.lock();
        let mut turn = WorkPermit(Some(Arc::clone(&self)));
        while let Some(next) = state.next() {
            match next.send(turn) {
                Ok(()) => return,
                // That one waits no longer.
                Err(unused) => turn = unused,
            }
        }
        turn.0 = None;
        state.free += 1;
    }
}

impl WorkersState {
    /// How many come before one more of `address`: of each other address no more than of its own.
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
        match fair_workers.queue(address(last), u64::MAX).expect("a place") {
            QueuePlace::Later(place) => place,
            QueuePlace::Now(_) => panic!("all workers are busy"),
        }
    }

    #[test]
    fn addresses_take_turns_however_many_wait_of_one() {
        let fair_workers = FairWorkers::new(1);
        let Some(QueuePlace::Now(turn)) = fair_workers.queue(address(1), 0) else { panic!("nobody is there") };
        let flood: Vec<_> = (0..100).map(|_| later(&fair_workers, 1)).collect();
        let (two, three) = (later(&fair_workers, 2), later(&fair_workers, 3));
        let mut places: Vec<_> = flood.into_iter().chain([two, three]).collect();
        let mut turn = Some(turn);
        let mut order = Vec::new();
        while let Some(done) = turn.take() {
            drop(done);
            let next = places.iter_mut().position(|place| match place.try_recv() {
                Ok(given) => turn.insert(given).0.is_some(),
                Err(_) => false,
            });
            order.extend(next);
        }
        assert_eq!(order.len(), 102);
        assert_eq!(order[..4], [0, 100, 101, 1]);
        assert!(fair_workers.state.lock().waiting.is_empty() && fair_workers.state.lock().order.is_empty());
    }

    #[test]
    fn a_queue_is_as_long_as_that_of_its_address() {
        let fair_workers = FairWorkers::new(2);
        let busy = [fair_workers.queue(address(1), 0), fair_workers.queue(address(1), 0)];
        assert!(busy.iter().all(|place| matches!(place, Some(QueuePlace::Now(_)))));
        let waiting: Vec<_> = (0..20).map_while(|_| fair_workers.queue(address(1), 4)).collect();
        assert_eq!(waiting.len(), 8, "four for each worker");
        // One of another address comes before most of them.
        assert!(fair_workers.queue(address(2), 4).is_some() && fair_workers.queue(address(1), 4).is_none());
        drop(waiting);
        drop(busy);
        assert_eq!(fair_workers.state.lock().free, 2, "who does not wait any more gets no turn");
    }
}
