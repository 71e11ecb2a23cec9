//! Checks the answers of transforms, and converts them into the types of `core`.

use crate::abi;
use crate::actions::{FrameAction, PublishAction, SchemaRule};
use crate::attributes;
use crate::error::{Failure, IllegalOutput};
use crate::settings::Limits;
use ocpp_gateway_core::frame::MAX_RECEIVED_ID;
use ocpp_gateway_core::publish::is_disallowed_in_topics;
use ocpp_gateway_core::{CallError, Decision, ErrorHead, Frame, MessageType, Publish, QoS, TopicFilter};
use serde_json::value::RawValue;
use std::borrow::Cow;

const COPIES_PER_BYTE: usize = 2;
/// Bytes that the records and lists of one answer take beside its text.
const RECORDS_PER_CALL: usize = 64 << 10;

/// The limits on the answer of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    items: usize,
    bytes: usize,
}

impl Allowance {
    /// `bytes_in`: the size of the message that the call gets, in bytes.
    pub(crate) fn new(limits: &Limits, bytes_in: usize) -> Self {
        Allowance { items: limits.items, bytes: limits.bytes_out.max(2 * bytes_in) }
    }

    /// The bytes that the host may copy for one answer, records and lists included.
    pub(crate) fn copied(self) -> usize {
        COPIES_PER_BYTE * self.bytes + RECORDS_PER_CALL
    }

    /// Checks one call's answer. `size`: the bytes of one item.
    fn check<T>(self, items: &[T], size: impl Fn(&T) -> usize) -> Result<(), IllegalOutput> {
        if items.len() > self.items {
            return Err(IllegalOutput::TooMany { count: items.len(), limit: self.items });
        }
        let bytes = items.iter().map(size).sum();
        if bytes > self.bytes {
            return Err(IllegalOutput::TooLarge { bytes, limit: self.bytes });
        }
        Ok(())
    }
}

pub(crate) fn publishes(lifted: Vec<abi::Publish>, allowance: Allowance) -> Result<Vec<Publish>, IllegalOutput> {
    allowance.check(&lifted, publish_size)?;
    lifted.into_iter().map(publish).collect()
}

pub(crate) fn frames(lifted: Vec<abi::Frame>, allowance: Allowance) -> Result<Vec<Frame<'static>>, IllegalOutput> {
    allowance.check(&lifted, frame_size)?;
    lifted.into_iter().map(frame).collect()
}

pub(crate) fn mapped_publishes(
    lifted: Result<Vec<abi::Publish>, abi::Refusal>,
    allowance: Allowance,
) -> Result<Vec<Publish>, Failure> {
    Ok(publishes(lifted.map_err(|lifted| refusal(lifted, allowance))?, allowance)?)
}

pub(crate) fn mapped_frames(
    lifted: Result<Vec<abi::Frame>, abi::Refusal>,
    allowance: Allowance,
) -> Result<Vec<Frame<'static>>, Failure> {
    Ok(frames(lifted.map_err(|lifted| refusal(lifted, allowance))?, allowance)?)
}

pub(crate) fn frame_actions(
    lifted: Vec<abi::LiftedFrameAction>,
    allowance: Allowance,
) -> Result<Vec<FrameAction>, IllegalOutput> {
    allowance.check(&lifted, |action| match action {
        abi::LiftedFrameAction::Pass => 0,
        abi::LiftedFrameAction::Replace(frame) => frame_size(frame),
        abi::LiftedFrameAction::Publish(publish) => publish_size(publish),
        abi::LiftedFrameAction::Reject(error) => error_size(error),
        abi::LiftedFrameAction::Reply(text) | abi::LiftedFrameAction::Drop(text) => text.len(),
    })?;
    let checked = lifted.into_iter().map(|action| {
        Ok(match action {
            abi::LiftedFrameAction::Pass => FrameAction::Pass,
            abi::LiftedFrameAction::Replace(lifted) => FrameAction::Replace(frame(lifted)?),
            abi::LiftedFrameAction::Publish(lifted) => FrameAction::Publish(publish(lifted)?),
            abi::LiftedFrameAction::Reply(payload) if is_json_object(&payload) => FrameAction::Reply(payload),
            abi::LiftedFrameAction::Reply(_) => return Err(IllegalOutput::Payload),
            abi::LiftedFrameAction::Reject(lifted) => FrameAction::Reject(call_error(lifted)?),
            abi::LiftedFrameAction::Drop(reason) => FrameAction::Drop(cut_reason(reason)),
        })
    });
    checked.collect()
}

pub(crate) fn publish_actions(
    lifted: Vec<abi::LiftedPublishAction>,
    allowance: Allowance,
) -> Result<Vec<PublishAction>, IllegalOutput> {
    allowance.check(&lifted, |action| match action {
        abi::LiftedPublishAction::Pass => 0,
        abi::LiftedPublishAction::Replace(publish) => publish_size(publish),
        abi::LiftedPublishAction::Drop(reason) => reason.len(),
    })?;
    let checked = lifted.into_iter().map(|action| {
        Ok(match action {
            abi::LiftedPublishAction::Pass => PublishAction::Pass,
            abi::LiftedPublishAction::Replace(lifted) => PublishAction::Replace(publish(lifted)?),
            abi::LiftedPublishAction::Drop(reason) => PublishAction::Drop(cut_reason(reason)),
        })
    });
    checked.collect()
}

/// The error that a transform's `check` has for a frame, if any.
pub(crate) fn violation(
    lifted: Option<abi::CallError>,
    allowance: Allowance,
) -> Result<Option<CallError>, IllegalOutput> {
    allowance.check(lifted.as_slice(), error_size)?;
    lifted.map(call_error).transpose()
}

/// The rules of a transform, with schemas that are not compiled yet. They are read once per load, so they may take as
/// much as is copied for any answer.
pub(crate) fn rules(lifted: Vec<abi::Rule>, allowance: Allowance) -> Result<Vec<SchemaRule>, IllegalOutput> {
    let size = |rule: &abi::Rule| rule.protocol.len() + rule.action.len() + rule.schema.len();
    Allowance { items: usize::MAX, bytes: allowance.copied() }.check(&lifted, size)?;
    let rule =
        |abi::Rule { protocol, action, kind, schema }| SchemaRule { protocol, action, kind: kind.into(), schema };
    Ok(lifted.into_iter().map(rule).collect())
}

/// The longest name or version of a transform, in bytes.
const MAX_NAME: usize = 256;
/// The longest reason to drop a message or to refuse a configuration, in bytes.
const MAX_REASON: usize = 4096;

/// Name, version and attributes of a transform, or why it refuses its configuration.
pub(crate) fn info(
    lifted: Result<abi::Info, String>,
    _: Allowance,
) -> Result<Result<abi::Info, String>, IllegalOutput> {
    match lifted {
        Ok(info) => {
            attributes::check_kept(&info.attributes)?;
            // Every log line about the transform carries them.
            let bytes = info.name.len().max(info.version.len());
            if bytes > MAX_NAME {
                return Err(IllegalOutput::LongText { bytes, limit: MAX_NAME });
            }
            Ok(Ok(info))
        }
        Err(reason) => Ok(Err(cut_reason(reason))),
    }
}

/// Cuts a reason, which goes into the log and into events.
fn cut_reason(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    reason
}

/// Details that are not a JSON object become `{}`.
fn call_error(lifted: abi::CallError) -> Result<CallError, IllegalOutput> {
    if lifted.code.is_empty() {
        return Err(IllegalOutput::NoErrorCode);
    }
    Ok(CallError::from_transform(lifted.code, lifted.description, object_or_empty(lifted.details)))
}

pub(crate) fn decision(lifted: abi::Decision, _: Allowance) -> Result<Decision, IllegalOutput> {
    match lifted {
        abi::Decision::Accept(abi::Acceptance { attributes }) => {
            attributes::check_kept(&attributes)?;
            Ok(Decision::Accept(attributes))
        }
        abi::Decision::Refuse(abi::Rejection { status, reason }) => {
            if !(400..600).contains(&status) {
                return Err(IllegalOutput::Status(status));
            }
            // The reason has the limits of an error description: it is cut to the same length, and never empty.
            let reason = CallError::from_transform(String::new(), reason, String::new()).description.into_owned();
            Ok(Decision::Refuse { status, reason })
        }
    }
}

pub(crate) fn filters(lifted: Vec<abi::TopicFilter>, allowance: Allowance) -> Result<Vec<TopicFilter>, IllegalOutput> {
    allowance.check(&lifted, |filter| filter.filter.len())?;
    lifted.into_iter().map(filter).collect()
}

fn publish_size(publish: &abi::Publish) -> usize {
    publish.topic.len()
        + publish.payload.len()
        + attributes::size(&publish.properties)
        + attributes::size(&publish.attributes)
}

fn frame_size(frame: &abi::Frame) -> usize {
    let head = frame.error.as_ref().map_or(0, |head| head.code.len() + head.description.len());
    let action = frame.action.as_ref().map_or(0, String::len);
    frame.payload.len() + frame.id.len() + action + head + attributes::size(&frame.attributes)
}

fn error_size(error: &abi::CallError) -> usize {
    error.code.len() + error.description.len() + error.details.len()
}

fn publish(lifted: abi::Publish) -> Result<Publish, IllegalOutput> {
    check_topic(&lifted.topic)?;
    attributes::check(&lifted.properties)?;
    attributes::check(&lifted.attributes)?;
    Ok(Publish {
        topic: lifted.topic,
        payload: lifted.payload,
        qos: qos(lifted.qos)?,
        retain: lifted.retain,
        properties: lifted.properties,
        attributes: lifted.attributes,
    })
}

/// Checks a topic name (MQTT 3.1.1 section 4.7).
fn check_topic(topic: &str) -> Result<(), IllegalOutput> {
    check_length(topic)?;
    // `$` topics belong to the broker (section 4.7.2), shared subscriptions among them.
    if topic.starts_with('$') {
        return Err(IllegalOutput::TopicCharacter('$'));
    }
    if topic.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'+' | b'#')) {
        return Ok(());
    }
    match topic.chars().find(|character| matches!(character, '+' | '#') || is_disallowed_in_topics(*character)) {
        Some(character) => Err(IllegalOutput::TopicCharacter(character)),
        None => Ok(()),
    }
}

fn check_length(topic: &str) -> Result<(), IllegalOutput> {
    match topic.len() {
        0 => Err(IllegalOutput::EmptyTopic),
        length if length > usize::from(u16::MAX) => Err(IllegalOutput::LongTopic(length)),
        _ => Ok(()),
    }
}

fn filter(lifted: abi::TopicFilter) -> Result<TopicFilter, IllegalOutput> {
    let abi::TopicFilter { filter, qos: level } = lifted;
    check_length(&filter)?;
    if filter.starts_with('$') {
        return Err(IllegalOutput::Filter(filter));
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wildcard_alone = level.len() == 1 || !level.contains(['+', '#']);
        let hash_last = level != "#" || levels.peek().is_none();
        if !wildcard_alone || !hash_last || level.contains(is_disallowed_in_topics) {
            return Err(IllegalOutput::Filter(filter));
        }
    }
    Ok(TopicFilter { filter, qos: qos(level)? })
}

fn qos(level: u8) -> Result<QoS, IllegalOutput> {
    QoS::from_level(level).ok_or(IllegalOutput::QoS(level))
}

fn frame(lifted: abi::Frame) -> Result<Frame<'static>, IllegalOutput> {
    let kind = MessageType::from(lifted.kind);
    let id_length = lifted.id.chars().count();
    if id_length == 0 || id_length > MAX_RECEIVED_ID {
        return Err(IllegalOutput::MessageId(id_length));
    }
    let action = lifted.action.filter(|action| !action.is_empty());
    if matches!(kind, MessageType::Call | MessageType::Send) && action.is_none() {
        return Err(IllegalOutput::NoAction);
    }
    let error = match kind {
        MessageType::CallError | MessageType::CallResultError => {
            let head = lifted.error.filter(|head| !head.code.is_empty()).ok_or(IllegalOutput::NoErrorCode)?;
            Some(ErrorHead::truncated(head.code, head.description))
        }
        _ => None,
    };
    if !is_json_object(&lifted.payload) {
        return Err(IllegalOutput::Payload);
    }
    attributes::check(&lifted.attributes)?;
    Ok(Frame {
        kind,
        id: Cow::Owned(lifted.id),
        action: action.map(Cow::Owned),
        payload: Cow::Owned(lifted.payload),
        error,
        attributes: lifted.attributes,
    })
}

/// Whether a text is exactly one JSON object. A payload becomes part of an OCPP-J message, which must stay one JSON
/// value.
fn is_json_object(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|value| value.get().starts_with('{'))
}

fn object_or_empty(details: String) -> String {
    if is_json_object(&details) { details } else { "{}".to_owned() }
}

/// Details that are not a JSON object become `{}`, as they may go into a CALLERROR.
fn refusal(lifted: abi::Refusal, allowance: Allowance) -> Failure {
    let abi::Refusal { code, description, details } = lifted;
    if let Err(illegal) = allowance.check(&[()], |()| code.len() + description.len() + details.len()) {
        return illegal.into();
    }
    Failure::Refused(CallError::from_transform(code, description, object_or_empty(details)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance() -> Allowance {
        Allowance::new(&Limits::default(), 0)
    }

    fn lifted_publish(topic: &str, payload: usize, qos: u8) -> abi::Publish {
        let topic = topic.to_owned();
        abi::Publish { topic, payload: vec![0; payload], qos, retain: false, properties: vec![], attributes: vec![] }
    }

    fn lifted_frame(kind: abi::FrameType, id: &str, action: Option<&str>, payload: &str) -> abi::Frame {
        abi::Frame {
            kind,
            id: id.into(),
            action: action.map(str::to_owned),
            payload: payload.into(),
            error: None,
            attributes: vec![],
        }
    }

    #[test]
    fn illegal_publishes_are_refused() {
        let check = |publish| publishes(vec![publish], allowance()).map(|_| ());
        assert_eq!(check(lifted_publish("a/b", 10, 2)), Ok(()));
        assert_eq!(check(lifted_publish("", 0, 0)), Err(IllegalOutput::EmptyTopic));
        assert_eq!(check(lifted_publish("a/+", 0, 0)), Err(IllegalOutput::TopicCharacter('+')));
        assert_eq!(check(lifted_publish("#", 0, 0)), Err(IllegalOutput::TopicCharacter('#')));
        assert_eq!(check(lifted_publish("ä/Ω/日本/a b", 0, 0)), Ok(()));
        for illegal in ['\0', '\n', '\u{7f}', '\u{85}', '\u{fdd0}', '\u{ffff}', '\u{1fffe}'] {
            let topic = format!("a/{illegal}");
            assert_eq!(check(lifted_publish(&topic, 0, 0)), Err(IllegalOutput::TopicCharacter(illegal)));
        }
        assert_eq!(check(lifted_publish("a", 0, 3)), Err(IllegalOutput::QoS(3)));
        assert_eq!(check(lifted_publish(&"a".repeat(65_536), 0, 0)), Err(IllegalOutput::LongTopic(65_536)));
    }

    #[test]
    fn answers_over_the_item_or_byte_limit_are_refused() {
        let many = |count| (0..count).map(|_| lifted_publish("a", 0, 0)).collect();
        assert!(publishes(many(16), allowance()).is_ok());
        assert_eq!(publishes(many(17), allowance()), Err(IllegalOutput::TooMany { count: 17, limit: 16 }));
        let limit = 256 << 10;
        assert!(publishes(vec![lifted_publish("a", limit - 1, 0)], allowance()).is_ok());
        assert_eq!(
            publishes(vec![lifted_publish("a", limit, 0)], allowance()),
            Err(IllegalOutput::TooLarge { bytes: limit + 1, limit })
        );
        let large_in = Allowance::new(&Limits::default(), 1 << 20);
        assert!(publishes(vec![lifted_publish("a", 1 << 20, 0)], large_in).is_ok());
    }

    #[test]
    fn illegal_frames_are_refused() {
        use abi::FrameType::*;
        let check = |frame| frames(vec![frame], allowance()).map(|_| ());
        assert_eq!(check(lifted_frame(Call, "1", Some("Reset"), "{}")), Ok(()));
        assert_eq!(check(lifted_frame(Call, "1", None, "{}")), Err(IllegalOutput::NoAction));
        assert_eq!(check(lifted_frame(Send, "1", Some(""), "{}")), Err(IllegalOutput::NoAction));
        assert_eq!(check(lifted_frame(CallResult, "", None, "{}")), Err(IllegalOutput::MessageId(0)));
        assert_eq!(check(lifted_frame(CallResult, &"x".repeat(256), None, "{}")), Err(IllegalOutput::MessageId(256)));
        assert_eq!(check(lifted_frame(CallError, "1", None, "{}")), Err(IllegalOutput::NoErrorCode));
        for payload in ["", "[]", "{", "{}]", "{},{}", "null", "{\"a\":1}\u{0}"] {
            assert_eq!(check(lifted_frame(CallResult, "1", None, payload)), Err(IllegalOutput::Payload), "{payload}");
        }
    }

    #[test]
    fn illegal_topic_filters_are_refused() {
        let check = |text: &str| {
            let filter = abi::TopicFilter { filter: text.into(), qos: 1 };
            filters(vec![filter], allowance()).is_ok()
        };
        for good in ["a", "a/b", "+/b", "a/+/c", "a/#", "#", "/", "a//b"] {
            assert!(check(good), "{good}");
        }
        for bad in ["", "a+", "a/#/b", "a#", "a/b+/c", "a\0", "a/\n"] {
            assert!(!check(bad), "{bad:?}");
        }
    }
}
