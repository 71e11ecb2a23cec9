//! Differences of the same kind, counted.

use super::differences::{DifferenceSink, OldAndNew};
use super::failures::{MAX_NAME, shortened};
use crate::recording::ReplayMessage;
use ocpp_gateway_core::MessageType;
use ocpp_gateway_core::session::Direction;
use std::cmp::Reverse;
use std::collections::HashMap;

/// The most groups; further differences are counted together.
pub(super) const MAX_GROUPS: usize = 1000;
/// The longest kind and the longest text of an example, in bytes.
const MAX_KIND: usize = 500;
const MAX_EXAMPLE: usize = 4000;

/// The differences so far.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<GroupKey, Group>,
    /// Messages with a difference.
    different: u64,
    /// Differences that are in no group.
    others: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    pub(super) direction: Direction,
    pub(super) message_type: Option<MessageType>,
    pub(super) action: String,
    /// What differs.
    pub(super) difference: String,
}

/// The first message with a difference, and how many there are.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) line: u64,
    pub(super) charge_point: String,
    pub(super) example: OldAndNew,
    /// The line that was counted last: a message counts once.
    latest: u64,
}

/// The groups, for the differences of one message.
pub(super) struct MessageDifferences<'a> {
    groups: &'a mut Groups,
    message: &'a ReplayMessage<'a>,
    has_any: bool,
}

impl Groups {
    /// Calls `find` with a sink for the differences of one message.
    pub(super) fn note(&mut self, message: &ReplayMessage<'_>, find: impl FnOnce(&mut dyn DifferenceSink)) {
        let mut differences = MessageDifferences { groups: self, message, has_any: false };
        find(&mut differences);
        let has_any = differences.has_any;
        self.different += u64::from(has_any);
    }

    /// The number of messages with a difference.
    pub(super) fn different(&self) -> u64 {
        self.different
    }

    /// The number of differences that are in no group.
    pub(super) fn others(&self) -> u64 {
        self.others
    }

    /// The largest first.
    pub(super) fn sorted(&self) -> Vec<(&GroupKey, &Group)> {
        let mut sorted: Vec<_> = self.groups.iter().collect();
        sorted.sort_by(|(key, group), (other_key, other)| {
            let order = |key: &GroupKey, group: &Group| (Reverse(group.count), group.line, key.difference.clone());
            order(key, group).cmp(&order(other_key, other))
        });
        sorted
    }
}

impl DifferenceSink for MessageDifferences<'_> {
    fn note(&mut self, kind: &str, example: &dyn Fn() -> OldAndNew) {
        self.has_any = true;
        let MessageDifferences { groups, message, .. } = self;
        let key = GroupKey {
            direction: message.direction(),
            message_type: message.message_type,
            action: shortened(&message.action, MAX_NAME),
            difference: shortened(kind, MAX_KIND),
        };
        if let Some(group) = groups.groups.get_mut(&key) {
            group.count += u64::from(group.latest != message.line);
            group.latest = message.line;
        } else if groups.groups.len() >= MAX_GROUPS {
            groups.others += 1;
        } else {
            let OldAndNew { old, new } = example();
            let example = OldAndNew { old: shortened(&old, MAX_EXAMPLE), new: shortened(&new, MAX_EXAMPLE) };
            let (line, charge_point) = (message.line, shortened(message.peer.identity.as_str(), MAX_NAME));
            groups.groups.insert(key, Group { count: 1, line, charge_point, example, latest: line });
        }
    }
}
