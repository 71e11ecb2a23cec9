//! What a call of a transform is about.

use crate::caller::Caller;
use ocpp_gateway_core::{ErrorHead, Frame, Identity, Offer, Peer};

/// The subject of a call, for the log and the limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Empty where there is none.
    pub(crate) charge_point: &'a str,
    /// Empty where it is not known.
    pub(crate) action: &'a str,
    /// Size of the message in bytes, with everything escaped that JSON allows to escape.
    pub(crate) bytes: usize,
    /// The caller, as breakers and quotas count it.
    pub(crate) caller: Caller,
}

/// The most bytes that a text takes in JSON: `\u0001` is one character in and six out, and some writers escape
/// everything that is not ASCII.
fn escaped_length(text: &str) -> usize {
    let length = |byte| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f | 0x7f => 6,
        // Characters of two or three bytes become six bytes, those of four bytes twelve.
        0x80.. => 3,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

impl<'a> Subject<'a> {
    /// No charge point.
    pub(crate) const NONE: Self =
        Subject { charge_point: "", action: "", bytes: 0, caller: Caller { individual: 0, group: 0 } };

    /// A charge point, without a message.
    pub(crate) fn identity(identity: &'a Identity) -> Self {
        let charge_point = identity.as_str();
        Subject { charge_point, caller: Caller::charge_point(charge_point), ..Subject::NONE }
    }

    /// A charge point that asks to connect.
    pub(crate) fn offer(offer: &'a Offer) -> Self {
        Subject { charge_point: offer.identity.as_str(), caller: Caller::offer(offer), ..Subject::NONE }
    }

    pub(crate) fn frame(peer: &'a Peer, frame: &'a Frame<'_>) -> Self {
        let error = |head: &ErrorHead<'_>| escaped_length(&head.code) + escaped_length(&head.description);
        let head = escaped_length(&frame.id) + escaped_length(frame.action_name());
        let bytes = frame.payload.len() + head + frame.error.as_ref().map_or(0, error);
        Subject { action: frame.action_name(), bytes, ..Subject::identity(&peer.identity) }
    }

    /// `action`: of the frame that the message comes from.
    pub(crate) fn message(peer: &'a Peer, action: Option<&'a str>, payload: &[u8]) -> Self {
        Subject { action: action.unwrap_or_default(), bytes: payload.len(), ..Subject::identity(&peer.identity) }
    }
}
