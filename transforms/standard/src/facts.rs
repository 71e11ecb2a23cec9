//! The values of the placeholders in topics.

use ocpp_transform::topic::{self, Placeholder};
use ocpp_transform::{Frame, Peer};

pub(crate) type Template = topic::Template<Fact>;

/// The meaning of a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The identity of the charge point.
    ChargePoint,
    /// Empty for an answer whose action is not known.
    Action,
    MessageId,
    /// The number of the message type, 2 to 6.
    MessageType,
    /// The beginning of topics that the listener of the charge point has; mostly empty.
    Mountpoint,
}

impl Placeholder for Fact {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("cid", Fact::ChargePoint),
        ("clientid", Fact::ChargePoint),
        ("action", Fact::Action),
        ("id", Fact::MessageId),
        ("type", Fact::MessageType),
        ("mountpoint", Fact::Mountpoint),
    ];
}

/// The values for one message.
pub(crate) struct Facts<'a> {
    charge_point: &'a str,
    action: &'a str,
    message_id: &'a str,
    message_type: &'a str,
    mountpoint: &'a str,
}

/// The attribute of that name (see `mountpoint` of a listener in the gateway's configuration).
fn mountpoint(peer: &Peer) -> &str {
    let found = peer.attributes.iter().find(|(name, _)| name == "mountpoint");
    found.map_or("", |(_, mountpoint)| mountpoint)
}

impl<'a> Facts<'a> {
    /// For a template in which only the charge point and its listener may occur.
    pub(crate) fn of_peer(peer: &'a Peer) -> Self {
        Facts { charge_point: &peer.id, action: "", message_id: "", message_type: "", mountpoint: mountpoint(peer) }
    }

    pub(crate) fn of_frame(peer: &'a Peer, frame: &'a Frame) -> Self {
        Facts {
            charge_point: &peer.id,
            action: frame.action.as_deref().unwrap_or_default(),
            message_id: &frame.id,
            message_type: ["", "", "2", "3", "4", "5", "6"][usize::from(frame.type_.number())],
            mountpoint: mountpoint(peer),
        }
    }

    /// The topic for the message.
    pub(crate) fn fill_in(&self, template: &Template) -> String {
        template.render(|fact| match fact {
            Fact::ChargePoint => self.charge_point,
            Fact::Action => self.action,
            Fact::MessageId => self.message_id,
            Fact::MessageType => self.message_type,
            Fact::Mountpoint => self.mountpoint,
        })
    }

    /// The value that may not be used in the topic: an action or a message id, which charge points choose, with
    /// characters that would change the topic's meaning. (The gateway has checked identities and mount points.)
    pub(crate) fn unsafe_in(&self, template: &Template) -> Option<&'static str> {
        template.placeholders().find_map(|fact| match fact {
            Fact::Action if !topic::is_safe(self.action) => Some("action"),
            Fact::MessageId if !topic::is_safe(self.message_id) => Some("message id"),
            _ => None,
        })
    }
}
