//! The last three levels of a topic: `{type}/{action}/{message id}`.

use ocpp_transform::topic::is_disallowed_in_topics;
use ocpp_transform::{Frame, FrameType, MAX_MESSAGE_ID};
use serde::Deserialize;
use std::fmt;

/// The level for the action of an answer, if it is not known.
const UNKNOWN: &str = "-";

/// The longest action in a topic, in bytes: no action of OCPP is nearly as long. The gateway takes an overlong topic
/// for a fault of the transform.
const MAX_ACTION: usize = 255;

/// How a topic names the type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Types {
    /// `request`, `response`, `error`, `result-error`, `send`.
    #[default]
    Names,
    /// `2` to `6`, as in OCPP-J.
    Numbers,
}

impl Types {
    fn name(self, type_: FrameType) -> &'static str {
        let (name, number) = match type_ {
            FrameType::Call => ("request", "2"),
            FrameType::CallResult => ("response", "3"),
            FrameType::CallError => ("error", "4"),
            FrameType::CallResultError => ("result-error", "5"),
            FrameType::Send => ("send", "6"),
        };
        match self {
            Types::Names => name,
            Types::Numbers => number,
        }
    }

    /// The type that a level names.
    pub(crate) fn read(self, level: &str) -> Option<FrameType> {
        (2..=6).filter_map(FrameType::from_number).find(|&type_| self.name(type_) == level)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels<'a> {
    pub(crate) type_: &'a str,
    pub(crate) action: &'a str,
    pub(crate) id: &'a str,
}

impl<'a> Levels<'a> {
    /// The levels for a frame from a charge point, which chooses action and message id and must not add levels with
    /// them.
    pub(crate) fn of(frame: &'a Frame, types: Types) -> Result<Self, &'static str> {
        let action = frame.action.as_deref().filter(|action| !action.is_empty()).unwrap_or(UNKNOWN);
        if !is_level(action) || action.len() > MAX_ACTION {
            return Err("the action cannot stand in a topic");
        }
        if !is_level(&frame.id) {
            return Err("the message id cannot stand in a topic");
        }
        Ok(Levels { type_: types.name(frame.type_), action, id: &frame.id })
    }

    /// The levels of a text with exactly these three and a legal message id.
    pub(crate) fn split(text: &'a str) -> Option<Self> {
        let mut levels = text.split('/');
        let (type_, action, id) = (levels.next()?, levels.next()?, levels.next()?);
        let id_length = id.chars().count();
        let is_complete = levels.next().is_none() && (1..=MAX_MESSAGE_ID).contains(&id_length);
        is_complete.then_some(Levels { type_, action, id })
    }

    pub(crate) fn known_action(self) -> Option<&'a str> {
        (!matches!(self.action, "" | UNKNOWN)).then_some(self.action)
    }
}

impl fmt::Display for Levels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.type_, self.action, self.id)
    }
}

fn is_level(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| matches!(c, '/' | '+' | '#') || is_disallowed_in_topics(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_as_written() {
        for types in [Types::Names, Types::Numbers] {
            for number in 2..=6 {
                let type_ = FrameType::from_number(number).expect("a type");
                assert_eq!(types.read(types.name(type_)), Some(type_));
            }
            for level in ["", "1", "7", "02", "Request", "-"] {
                assert_eq!(types.read(level), None, "{level}");
            }
        }
        assert_eq!((Types::Names.read("2"), Types::Numbers.read("request")), (None, None));
    }

    #[test]
    fn text_with_exactly_three_levels_is_split() {
        let levels = Levels { type_: "request", action: "Reset", id: "a b" };
        assert_eq!(Levels::split("request/Reset/a b"), Some(levels));
        assert_eq!(levels.to_string(), "request/Reset/a b");
        let longest = format!("request/Reset/{}", "é".repeat(255));
        assert!(Levels::split(&longest).is_some());
        for text in ["", "request", "request/Reset", "request/Reset/", "request/Reset/1/", "request/Reset/1/2"] {
            assert_eq!(Levels::split(text), None, "{text}");
        }
        assert_eq!(Levels::split(&format!("{longest}x")), None);
    }
}
