//! What `outbound` transforms are told about the origin of a message, so that they need not parse its payload.

use ocpp_gateway_core::{Attributes, Frame, Peer, Publish};
use std::borrow::Cow;

/// The names of the attributes; `wit/transform.wit` documents them.
const CHARGE_POINT: &str = "charge-point";
const TYPE: &str = "type";
const MESSAGE_ID: &str = "message-id";
const ACTION: &str = "action";

/// The charge point and frame that a message for the broker comes from.
pub(super) struct About<'f> {
    /// For transforms that are for some actions only.
    pub(super) action: Option<&'f str>,
    attributes: Attributes,
}

impl<'f> About<'f> {
    /// `frame`: `None` for a message about a connection. `is_unread`: no transform reads the attributes.
    pub(super) fn new(peer: &Peer, frame: Option<&'f Frame<'_>>, is_unread: bool) -> Self {
        let action = frame.and_then(|frame| frame.action.as_deref());
        let mut attributes = Attributes::new();
        if !is_unread {
            let mut add = |name: &str, value: &str| attributes.push((name.to_owned(), value.to_owned()));
            add(CHARGE_POINT, peer.identity.as_str());
            if let Some(frame) = frame {
                add(TYPE, frame.kind.name());
                add(MESSAGE_ID, &frame.id);
            }
            if let Some(action) = action {
                add(ACTION, action);
            }
        }
        About { action, attributes }
    }

    /// The attributes of `publish` as a transform sees them: those that it has, and the gateway's own, which replace any of
    /// the same name.
    pub(super) fn attributes_of(&self, publish: &Publish) -> Cow<'_, [(String, String)]> {
        if publish.attributes.is_empty() {
            return Cow::Borrowed(&self.attributes);
        }
        let is_own = |name: &str| self.attributes.iter().any(|(own, _)| own == name);
        let others = publish.attributes.iter().filter(|(name, _)| !is_own(name));
        Cow::Owned(others.chain(&self.attributes).cloned().collect())
    }
}
