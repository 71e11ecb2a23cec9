//! What a call of a transform is about.

use crate::caller::Caller;
use ocpp_gateway_core::{ErrorHead, Frame, Identity, Offer, Peer};

/// For the log and the limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Empty where there is none.
    pub(crate) charge_point: &'a str,
    /// Empty where it is not known.
    pub(crate) action: &'a str,
    /// The size of the message, as text in which everything is escaped that may be.
    pub(crate) bytes: usize,
    /// For whom it is, as breakers and quotas count.
    pub(crate) caller: Caller,
}

/// The size of a text that a transform may have to put into JSON, in bytes: `\u0001` is one character in and six out, and
/// some writers escape all that is not ASCII.
fn escaped_length(text: &str) -> usize {
    let length = |byte| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f | 0x7f => 6,
        // The characters of two bytes become six, those of three six, those of four twelve.
        0x80.. => 3,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

impl<'a> Subject<'a> {
    /// None of the charge points.
    pub(crate) const NOBODY: Self =
        Subject { charge_point: "", action: "", bytes: 0, caller: Caller { own: 0, party: 0 } };

    /// A charge point that comes or goes.
    pub(crate) fn identity(identity: &'a Identity) -> Self {
        let charge_point = identity.as_str();
        Subject { charge_point, caller: Caller::charge_point(charge_point), ..Subject::NOBODY }
    }

    /// A charge point that wants in.
    pub(crate) fn offer(offer: &'a Offer) -> Self {
        Subject { charge_point: offer.identity.as_str(), caller: Caller::stranger(offer), ..Subject::NOBODY }
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
