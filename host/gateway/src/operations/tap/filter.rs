//! What a watcher wants to see.

use super::line::TappedFrame;
use crate::operations::events::GatewayEvent;
use crate::operations::names;
use crate::recording::RecordedMessage;
use ocpp_gateway_core::MessageType;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::topic_matches;
use ocpp_gateway_pipeline::Glob;

/// What a watcher wants to see. A condition that is absent holds.
#[derive(Debug, Clone, Default)]
pub struct TapFilter {
    pub charge_point: Option<Glob>,
    pub action: Option<String>,
    pub message_type: Option<MessageType>,
    pub direction: Option<Direction>,
    /// A topic filter of MQTT, for a topic that the message comes from or is published to.
    pub topic: Option<String>,
    /// Frames and payloads too.
    pub payload: bool,
    /// What each transform made of a message too.
    pub trace: bool,
}

/// The members that the conditions are about.
struct Subject<'a> {
    action: Option<&'a str>,
    message_type: Option<&'a str>,
    direction: Direction,
}

impl TapFilter {
    /// Whether anything of this charge point is wanted.
    pub fn matches_identity(&self, identity: &str) -> bool {
        self.charge_point.as_ref().is_none_or(|glob| glob.matches(identity))
    }

    pub(super) fn matches_message(&self, message: &RecordedMessage) -> bool {
        let topics = message.message.iter().chain(&message.published).map(|message| &*message.topic);
        let subject = Subject {
            action: message.action.as_deref(),
            message_type: message.message_type.as_deref(),
            direction: message.direction,
        };
        self.matches(&subject, topics)
    }

    pub(super) fn matches_frame(&self, frame: &TappedFrame) -> bool {
        let subject = Subject {
            action: frame.action.as_deref(),
            message_type: frame.message_type.map(MessageType::name),
            direction: frame.direction,
        };
        self.matches(&subject, [])
    }

    fn matches<'t>(&self, subject: &Subject<'_>, topics: impl IntoIterator<Item = &'t str>) -> bool {
        let is_on_topic = |filter: &String| topics.into_iter().any(|topic| topic_matches(topic, filter));
        self.direction.is_none_or(|wanted| wanted == subject.direction)
            && self.message_type.is_none_or(|wanted| subject.message_type == Some(wanted.name()))
            && self.action.as_deref().is_none_or(|wanted| subject.action == Some(wanted))
            && self.topic.as_ref().is_none_or(is_on_topic)
    }

    /// Events have no message type and no topic, and but for incidents no action and no direction: they are left out
    /// where these are asked for.
    pub(super) fn matches_event(&self, event: &GatewayEvent) -> bool {
        let is_of_messages = self.message_type.is_some() || self.topic.is_some();
        let is_of_some = self.action.is_some() || self.direction.is_some();
        let is_wanted = |identity: &str| self.matches_identity(identity);
        match event {
            _ if is_of_messages => false,
            GatewayEvent::Incident { charge_point, direction, action, .. } => {
                is_wanted(charge_point)
                    && self.direction.is_none_or(|wanted| names::direction(wanted) == *direction)
                    && self.action.as_ref().is_none_or(|wanted| wanted == action)
            }
            _ if is_of_some => false,
            GatewayEvent::Connected { charge_point, .. } | GatewayEvent::Disconnected { charge_point, .. } => {
                is_wanted(charge_point)
            }
            // Before its identity is read, it could be any charge point.
            GatewayEvent::Refused { identity, .. } => identity.as_deref().is_none_or(is_wanted),
            GatewayEvent::Swap { .. } | GatewayEvent::Trial { .. } => true,
        }
    }
}
