//! Message ids of CALLs that operators send.

use ocpp_gateway_core::session::OPERATOR_ID_PREFIX;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes ids that differ from those of all other runs, since a charge point may remember an id beyond a connection.
pub(super) struct OperatorCallIds {
    started: u64,
    next: AtomicU64,
}

impl OperatorCallIds {
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        OperatorCallIds { started, next: AtomicU64::new(1) }
    }

    /// The next id, of at most 36 characters (OCPP-J 1.6 section 4.1.4).
    pub(super) fn next(&self) -> String {
        format!("{OPERATOR_ID_PREFIX}{:x}-{:x}", self.started, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::frame::MAX_MESSAGE_ID;

    #[test]
    fn ids_differ_and_are_short_enough() {
        let ids = OperatorCallIds { started: u64::from(u32::MAX), next: AtomicU64::new(u64::MAX) };
        let (last, first) = (ids.next(), ids.next());
        assert_ne!(last, first);
        assert!(last.len() <= MAX_MESSAGE_ID, "{last}");
    }
}
