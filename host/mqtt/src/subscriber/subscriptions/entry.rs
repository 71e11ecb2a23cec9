//! One topic filter: its owners, and its state at the broker.

use smallvec::SmallVec;

use crate::{message::QoS, subscriber::recipient::Recipient};

/// The state of a filter at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubscriptionState {
    Absent,
    Subscribing,
    Held,
    Unsubscribing,
    Refused,
}

pub(super) struct FilterEntry<R> {
    /// The owners with their recipients. Usually one, which is stored inline to save a memory access.
    pub(super) routes: SmallVec<[(u64, R); 1]>,
    pub(super) state: SubscriptionState,
    /// The highest QoS that an owner wants, and the one that was last requested from the broker.
    pub(super) wanted: QoS,
    pub(super) requested: QoS,
    /// Already in the queue of changes.
    pub(super) queued: bool,
    /// The filter is restored after the latest connect, and the broker has not answered yet.
    pub(super) restoring: bool,
}

impl<R: Recipient> FilterEntry<R> {
    pub(super) fn new(state: SubscriptionState) -> Self {
        let qos = QoS::AtMostOnce;
        FilterEntry { routes: SmallVec::new(), state, wanted: qos, requested: qos, queued: false, restoring: false }
    }

    pub(super) fn is_satisfied(&self) -> bool {
        self.state == SubscriptionState::Held && self.requested >= self.wanted
    }

    pub(super) fn route(&mut self, owner: u64, recipient: &R) {
        match self.routes.iter_mut().find(|(key, _)| *key == owner) {
            Some((_, known)) => known.clone_from(recipient),
            None => self.routes.push((owner, recipient.clone())),
        }
    }
}
