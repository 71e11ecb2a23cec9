//! Failures of transforms, in groups of the same failure.

use crate::recording::{MessageContent, ReplayMessage};
use ocpp_gateway_core::MessageType;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_pipeline::Failure;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The most groups; further failures are counted together.
const MAX_GROUPS: usize = 100;
/// The longest action and the longest identity that are shown, in bytes.
pub(super) const MAX_NAME: usize = 255;
/// The longest text of a message that is shown, in bytes.
const MAX_TEXT: usize = 500;

/// The failures so far.
#[derive(Debug, Default)]
pub(super) struct Failures {
    groups: HashMap<FailureKind, FailureGroup>,
    /// Failures that are in no group.
    others: u64,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FailureKind {
    transform: Arc<str>,
    direction: Direction,
    text: String,
}

/// The first failure of its kind, and how many there are.
#[derive(Debug)]
struct FailureGroup {
    count: u64,
    line: u64,
    charge_point: String,
    message_type: Option<MessageType>,
    action: String,
    text: String,
}

impl Failures {
    pub(super) fn note(&mut self, message: &ReplayMessage<'_>, transform: &Arc<str>, failure: &Failure) {
        let direction = message.direction();
        let kind = FailureKind {
            transform: transform.clone(),
            direction,
            text: without(message.peer.identity.as_str(), &failure.to_string()),
        };
        if let Some(group) = self.groups.get_mut(&kind) {
            group.count += 1;
        } else if self.groups.len() >= MAX_GROUPS {
            self.others += 1;
        } else {
            let group = FailureGroup {
                count: 1,
                line: message.line,
                charge_point: shortened(message.peer.identity.as_str(), MAX_NAME),
                message_type: message.message_type,
                action: shortened(&message.action, MAX_NAME),
                text: text(message),
            };
            self.groups.insert(kind, group);
        }
    }
}

/// What transforms say about a failure may name the charge point; the same failure of others is of the same kind.
fn without(identity: &str, text: &str) -> String {
    let mut rest = text;
    let mut result = String::new();
    while let Some((before, after)) = rest.split_once(identity) {
        let is_part = before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        result += before;
        result += if is_part { identity } else { "…" };
        rest = after;
    }
    result + rest
}

/// The message as it arrived, cut if it is long.
fn text(message: &ReplayMessage<'_>) -> String {
    match &message.content {
        MessageContent::Frame { text, .. } => shortened(text, MAX_TEXT),
        MessageContent::Message { topic, payload, .. } => {
            shortened(&format!("{topic}  {}", String::from_utf8_lossy(payload)), MAX_TEXT)
        }
    }
}

/// The text, cut after `longest` bytes.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(longest)])
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| (std::cmp::Reverse(group.count), group.line));
        for (FailureKind { transform, direction, text }, group) in groups {
            let FailureGroup { count, line, charge_point, message_type, action, text: message } = group;
            let direction = crate::operations::names::direction(*direction);
            let message_type = message_type.map_or("message", MessageType::name);
            let text = text.trim_end().replace('\n', "\n    ");
            writeln!(f, "{count} × FAILED  {direction}, transform {transform}: {text}")?;
            writeln!(f, "    first in line {line}, charge point {charge_point}, {message_type} {action}")?;
            writeln!(f, "    {message}\n")?;
        }
        if self.others > 0 {
            writeln!(f, "{} × FAILED  in other ways\n", self.others)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_several_charge_points_are_of_one_kind() {
        let text = |identity: &str| format!("trapped: `uplink` failed for A1 of {identity}: no such value\nwasm trap");
        let kind = "trapped: `uplink` failed for A1 of …: no such value\nwasm trap";
        assert_eq!(["CP1", "CP22", "1"].map(|it| without(it, &text(it))), [kind; 3]);
        assert_eq!(without("CP1", "CP11 and CP1"), "CP11 and …");
    }
}
