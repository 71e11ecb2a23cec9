//! What a charge point's task tells about its connection while it lasts, with one write each.

use super::moment::{AtomicMoment, Moment};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Part of the mailbox, which each message touches anyway.
#[derive(Debug, Default)]
pub struct Activity {
    last_message: AtomicMoment,
    /// The counts of [`OpenCallCounts`], 32 bits each.
    open_calls: AtomicU64,
}

/// How many CALLs are open or wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenCallCounts {
    pub from_charge_point: u32,
    pub to_charge_point: u32,
}

impl Activity {
    /// A message of the charge point arrived.
    pub(super) fn set_last_message(&self, now: Instant) {
        self.last_message.set(now.into());
    }

    /// Takes over the time of the latest message on the connection before.
    pub(super) fn continue_from(&self, last_message: Option<Moment>) {
        if let Some(last_message) = last_message {
            self.last_message.set(last_message);
        }
    }

    /// When the latest message of the charge point arrived, on this connection or the one before.
    pub fn last_message(&self) -> Option<Moment> {
        self.last_message.get()
    }

    /// How many CALLs from the charge point, and to it, are open or wait.
    pub(super) fn set_open_calls(&self, (from, to): (usize, usize)) {
        let part = |count: usize| u64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.open_calls.store(part(from) << 32 | part(to), Ordering::Relaxed);
    }

    /// As the charge point's task had them when it last began to wait.
    pub fn open_calls(&self) -> OpenCallCounts {
        let both = self.open_calls.load(Ordering::Relaxed);
        OpenCallCounts { from_charge_point: (both >> 32) as u32, to_charge_point: both as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_both_directions_are_kept_apart() {
        let activity = Activity::default();
        assert_eq!(activity.open_calls(), OpenCallCounts::default());
        activity.set_open_calls((3, usize::MAX));
        assert_eq!(activity.open_calls(), OpenCallCounts { from_charge_point: 3, to_charge_point: u32::MAX });
    }
}
