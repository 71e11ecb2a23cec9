//! Reads the action of a message of the `standard` mapping. The payload is skipped, not parsed.

use ocpp_transform::{FrameType, Publish};
use serde::Deserialize;
use std::borrow::Cow;

/// The longest action in a topic, in bytes: no action of OCPP is nearly as long. The gateway takes an overlong topic
/// for a fault of the transform.
const MAX_ACTION: usize = 255;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    message_type_id: u64,
    #[serde(borrow)]
    action: Cow<'a, str>,
}

/// The action of a CALL or SEND. `None` for answers, for messages that are not of `standard`, and for an action that is
/// not a legal topic level: charge points choose it.
pub(crate) fn action(message: &Publish) -> Option<Cow<'_, str>> {
    // serde would read an array as the members in order.
    if message.payload.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let Envelope { message_type_id, action } = message.read_payload().ok()?;
    let has_action = matches!(FrameType::from_number(message_type_id), Some(FrameType::Call | FrameType::Send));
    (has_action && is_level(&action)).then_some(action)
}

/// Whether an action is a legal topic level. Brokers may close the connection on control characters (MQTT 3.1.1 section
/// 1.5.3), and actions are plain names.
fn is_level(action: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'+' | b'#');
    (1..=MAX_ACTION).contains(&action.len()) && action.bytes().all(legal)
}
