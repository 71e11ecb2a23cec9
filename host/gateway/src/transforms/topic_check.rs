//! Topics of a mapping that cannot work.

use ocpp_gateway_core::{Attributes, Frame, Identity, MessageType, Peer, Publish, TopicFilter, Version};
use ocpp_gateway_mqtt::topic_matches;
use ocpp_gateway_pipeline::TransformHarness;

/// Faults of the topics that a mapping gives two sample charge points: both subscribe to one topic, or a published topic
/// matches a subscription. `filters` and `publishes`: what the mapping makes of them; `None`: it refuses.
pub fn topic_faults(
    filters: impl Fn(&Peer) -> Option<Vec<TopicFilter>>,
    publishes: impl Fn(&Peer, &Frame<'_>) -> Vec<Publish>,
) -> Vec<String> {
    let filters = |peer: &Peer| Some(filters(peer)?.into_iter().map(|filter| filter.filter).collect::<Vec<_>>());
    let (Some(one), Some(other)) = (charge_point("CHECK-1"), charge_point("CHECK-2")) else { return Vec::new() };
    // A mapping may refuse charge points that it does not know.
    let (Some(own), Some(others)) = (filters(&one), filters(&other)) else { return Vec::new() };
    let mut faults: Vec<String> = Vec::new();
    if let Some(shared) = own.iter().find(|filter| others.contains(filter)) {
        faults.push(format!(
            "the mapping subscribes to {shared:?} for every charge point: a message for one would reach all of them; \
             the topic has to name the charge point"
        ));
    }
    for frame in frames() {
        for publish in publishes(&one, &frame) {
            let Some(filter) = own.iter().chain(&others).find(|filter| topic_matches(&publish.topic, filter)) else {
                continue;
            };
            let fault = format!(
                "the mapping publishes on {:?} and subscribes to {filter:?}: messages from charge points would come \
                 back to them as messages from back ends",
                publish.topic
            );
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    faults
}

/// [`topic_faults`] of a mapping alone.
pub(super) fn faults_of_mapping(mapping: &TransformHarness) -> Vec<String> {
    topic_faults(
        |peer| mapping.subscriptions(peer).ok(),
        |peer, frame| mapping.to_mqtt(peer, frame).unwrap_or_default(),
    )
}

fn charge_point(identity: &str) -> Option<Peer> {
    let identity = Identity::new(identity, identity.len()).ok()?;
    Some(Peer { identity, version: Version::V1_6, connection: 0, attributes: Attributes::new() })
}

fn frames() -> [Frame<'static>; 2] {
    let frame = |kind, action: &'static str| Frame { action: Some(action.into()), ..Frame::new(kind, "1", "{}") };
    [frame(MessageType::Call, "Heartbeat"), frame(MessageType::CallResult, "Reset")]
}
