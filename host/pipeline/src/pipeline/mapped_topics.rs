//! The topics that the mapping uses, for display.

use super::generations::Pipeline;
use crate::clock::Clock;
use crate::harness::TransformHarness;
use ocpp_gateway_core::{Frame, Peer};

/// The topics of one charge point according to the mapping. `outbound` and `inbound` transforms may change them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedTopics {
    /// Where its CALLs are published.
    pub from_charge_point: Vec<String>,
    /// The topic filters of messages to it.
    pub to_charge_point: Vec<String>,
}

impl Pipeline {
    /// The topics for `peer` and one of its CALLs. A new instance with an empty state answers, so that the running ones
    /// are not affected. `None`: the mapping fails or refuses.
    pub fn mapped_topics(&self, peer: &Peer, call: &Frame<'_>) -> Option<MappedTopics> {
        let mapping = self.newest().0.mapping.clone();
        let harness = TransformHarness(mapping.with(mapping.factory.config.clone(), Clock::Machine).ok()?);
        let published = harness.to_mqtt(peer, call).ok()?;
        let filters = harness.subscriptions(peer).ok()?;
        Some(MappedTopics {
            from_charge_point: published.into_iter().map(|publish| publish.topic).collect(),
            to_charge_point: filters.into_iter().map(|filter| filter.filter).collect(),
        })
    }
}
