//! Which topics the mapping uses, to show them to people.

use super::generations::Pipeline;
use crate::clock::Clock;
use crate::harness::TransformHarness;
use ocpp_gateway_core::{Frame, Peer};

/// The topics of one charge point, as the mapping alone has them: `outbound` and `inbound` transforms may change them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedTopics {
    /// Where its CALLs are published.
    pub from_charge_point: Vec<String>,
    /// The topic filters whose messages are for it.
    pub to_charge_point: Vec<String>,
}

impl Pipeline {
    /// The topics for `peer` and one of its CALLs. An instance made for this call answers, with no state, so that the running
    /// one does not notice. `None` if it fails or refuses.
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
