//! One topic filter: who wants it, and what the broker knows of it.

use smallvec::SmallVec;

use crate::{message::QoS, subscriber::recipient::Recipient};

/// Where a filter stands with the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubscriptionState {
    Absent,
    Subscribing,
    Held,
    Unsubscribing,
    Refused,
}

pub(super) struct FilterEntry<R> {
    /// Nearly always one, which is found without another look into memory.
    pub(super) routes: SmallVec<[(u64, R); 1]>,
    pub(super) standing: SubscriptionState,
    /// The highest QoS that an owner wants, and the one the broker was last asked for.
    pub(super) wanted: QoS,
    pub(super) granted: QoS,
    /// Already in the queue of changes.
    pub(super) queued: bool,
    /// Belongs to the set that was restored after the latest connect and is not settled yet.
    pub(super) restoring: bool,
}

impl<R: Recipient> FilterEntry<R> {
    pub(super) fn new(standing: SubscriptionState) -> Self {
        let qos = QoS::AtMostOnce;
        FilterEntry { routes: SmallVec::new(), standing, wanted: qos, granted: qos, queued: false, restoring: false }
    }

    pub(super) fn is_met(&self) -> bool {
        self.standing == SubscriptionState::Held && self.granted >= self.wanted
    }

    pub(super) fn route(&mut self, owner: u64, recipient: &R) {
        match self.routes.iter_mut().find(|(key, _)| *key == owner) {
            Some((_, known)) => known.clone_from(recipient),
            None => self.routes.push((owner, recipient.clone())),
        }
    }
}
