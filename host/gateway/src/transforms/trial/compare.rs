//! Whether two versions of a transform did the same.

use crate::transforms::fixture::json_by_value;
use ocpp_gateway_core::{CallError, Frame, Publish};
use ocpp_gateway_pipeline::{ShadowInput, TracedAction, TracedMessage};

/// Whether two answers to one input mean the same: JSON is compared as JSON.
pub(super) fn is_same(input: &ShadowInput, live: &[TracedAction], candidate: &[TracedAction]) -> bool {
    live == candidate
        || live.len() == candidate.len()
            && live.iter().zip(candidate).all(|(live, candidate)| is_same_action(input, live, candidate))
}

fn is_same_action(input: &ShadowInput, live: &TracedAction, candidate: &TracedAction) -> bool {
    use TracedAction::{Message, Pass, Publish, Reject, Reply};
    match (live, candidate) {
        (Message(message), Pass) | (Pass, Message(message)) => is_input(input, message),
        (Message(TracedMessage::Frame(one)), Message(TracedMessage::Frame(other))) => is_same_frame(one, other),
        (Message(TracedMessage::Message(one)), Message(TracedMessage::Message(other)))
        | (Publish(one), Publish(other)) => is_same_publish(one, other),
        (Reply(one), Reply(other)) => is_same_json(one.as_bytes(), other.as_bytes()),
        (Reject(one), Reject(other)) => is_same_error(one, other),
        (one, other) => one == other,
    }
}

/// Whether a message is what the transform was called with, so that it passes unchanged.
fn is_input(input: &ShadowInput, message: &TracedMessage) -> bool {
    match (input, message) {
        (ShadowInput::Frame(input), TracedMessage::Frame(frame)) => is_same_frame(input, frame),
        (ShadowInput::Message(input), TracedMessage::Message(publish)) => is_same_publish(input, publish),
        _ => false,
    }
}

fn is_same_frame(one: &Frame<'_>, other: &Frame<'_>) -> bool {
    let Frame { kind, id, action, payload, error, attributes } = one;
    *kind == other.kind
        && *id == other.id
        && *action == other.action
        && *error == other.error
        && *attributes == other.attributes
        && is_same_json(payload.as_bytes(), other.payload.as_bytes())
}

fn is_same_publish(one: &Publish, other: &Publish) -> bool {
    // Attributes stay in the gateway, which adds its own to what an `outbound` hook is called with.
    let Publish { topic, payload, qos, retain, properties, attributes: _ } = one;
    *topic == other.topic
        && *qos == other.qos
        && *retain == other.retain
        && *properties == other.properties
        && is_same_json(payload, &other.payload)
}

fn is_same_error(one: &CallError, other: &CallError) -> bool {
    one.code == other.code
        && one.description == other.description
        && is_same_json(one.details.as_bytes(), other.details.as_bytes())
}

fn is_same_json(one: &[u8], other: &[u8]) -> bool {
    one == other || json_by_value(one).is_some_and(|one| Some(one) == json_by_value(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::MessageType;

    fn frame(payload: &str) -> Frame<'static> {
        Frame::new(MessageType::Call, "1".to_owned(), payload.to_owned())
    }

    fn publish(topic: &str, payload: &str) -> Publish {
        Publish { topic: topic.into(), payload: payload.into(), ..Publish::default() }
    }

    fn message(publish: Publish) -> TracedAction {
        TracedAction::Message(TracedMessage::Message(publish))
    }

    #[test]
    fn json_is_compared_by_value() {
        let input = ShadowInput::Frame(frame("{}"));
        let live = [message(publish("a", r#"{"a":1,"b":[2.0]}"#))];
        let spaced = [message(publish("a", r#"{ "b": [2], "a": 1 }"#))];
        assert!(is_same(&input, &live, &spaced));
        for other in [publish("a", r#"{"a":1,"b":[3]}"#), publish("b", r#"{"a":1,"b":[2.0]}"#), publish("a", "no JSON")]
        {
            assert!(!is_same(&input, &live, &[message(other)]));
        }
        assert!(!is_same(&input, &live, &[]));
        assert!(!is_same(&input, &live, &[live[0].clone(), live[0].clone()]));
    }

    #[test]
    fn replacement_by_the_same_is_to_pass() {
        let input = ShadowInput::Frame(frame(r#"{"a":1}"#));
        let replaced = |payload: &str| [TracedAction::Message(TracedMessage::Frame(frame(payload)))];
        assert!(is_same(&input, &[TracedAction::Pass], &replaced(r#"{ "a": 1 }"#)));
        assert!(is_same(&input, &replaced(r#"{"a":1}"#), &[TracedAction::Pass]));
        assert!(!is_same(&input, &[TracedAction::Pass], &replaced(r#"{"a":2}"#)));
        assert!(!is_same(&ShadowInput::Connected, &[TracedAction::Pass], &replaced(r#"{"a":1}"#)));
    }

    #[test]
    fn another_kind_of_action_differs() {
        let input = ShadowInput::Frame(frame("{}"));
        let beside = TracedAction::Publish(publish("a", "{}"));
        assert!(!is_same(&input, &[beside], &[message(publish("a", "{}"))]));
        assert!(!is_same(&input, &[TracedAction::Drop("one".into())], &[TracedAction::Drop("other".into())]));
        assert!(!is_same(&input, &[TracedAction::Reply("{}".into())], &[TracedAction::Pass]));
    }
}
