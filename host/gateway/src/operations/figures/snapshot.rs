//! The counters of the gateway at one moment.

use crate::operations::metrics::{HistogramCounts, Limit};
use std::array::from_fn;
use std::collections::HashMap;
use std::time::Duration;
use strum::EnumCount as _;

/// Numbers that only grow, or their growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub connected: u64,
    pub disconnected: u64,
    pub refused: u64,
    pub messages_from_charge_points: u64,
    pub messages_to_charge_points: u64,
    /// CALLs that ended with a CALLRESULT.
    pub calls_answered: u64,
    /// CALLs that ended in another way.
    pub errors: u64,
    pub incidents: u64,
    /// Publications that were given up.
    pub lost: u64,
    /// How often each limit was in force.
    pub limited: [u64; Limit::COUNT],
}

/// Numbers that go up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Connected charge points.
    pub charge_points: u64,
    /// Whether both connections to the broker are there.
    pub is_broker_connected: bool,
    pub in_flight: u64,
    pub backlog: u64,
    /// Resident memory in bytes. `None`: the system does not tell.
    pub memory: Option<u64>,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    pub counts: Counts,
    pub gauges: Gauges,
    /// Failures by the name of the transform.
    pub transform_failures: HashMap<String, u64>,
    /// Times until the answers of CALLs from charge points.
    pub answers_from_charge_points: HistogramCounts,
    /// The same for CALLs to charge points.
    pub answers_to_charge_points: HistogramCounts,
    /// CPU time of the process.
    pub cpu: Option<Duration>,
}

impl Counts {
    /// The growth since `earlier`.
    pub fn since(&self, earlier: &Counts) -> Counts {
        self.with(earlier, u64::saturating_sub)
    }

    pub fn plus(&self, more: &Counts) -> Counts {
        self.with(more, u64::saturating_add)
    }

    fn with(&self, other: &Counts, f: impl Fn(u64, u64) -> u64) -> Counts {
        Counts {
            connected: f(self.connected, other.connected),
            disconnected: f(self.disconnected, other.disconnected),
            refused: f(self.refused, other.refused),
            messages_from_charge_points: f(self.messages_from_charge_points, other.messages_from_charge_points),
            messages_to_charge_points: f(self.messages_to_charge_points, other.messages_to_charge_points),
            calls_answered: f(self.calls_answered, other.calls_answered),
            errors: f(self.errors, other.errors),
            incidents: f(self.incidents, other.incidents),
            lost: f(self.lost, other.lost),
            limited: from_fn(|limit| f(self.limited[limit], other.limited[limit])),
        }
    }
}

impl Snapshot {
    /// Transforms that have failed since `earlier`, and how often.
    pub(super) fn failures_since(&self, earlier: &Snapshot) -> Vec<(String, u64)> {
        let more = |(name, count): (&String, &u64)| {
            let more = count.saturating_sub(earlier.transform_failures.get(name).copied().unwrap_or_default());
            (more > 0).then(|| (name.clone(), more))
        };
        self.transform_failures.iter().filter_map(more).collect()
    }
}
