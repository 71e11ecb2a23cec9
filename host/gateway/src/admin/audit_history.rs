//! What callers of the admin API have changed since the start.

use super::audited_call::AuditedCall;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;

/// Lines that are kept. Each has some hundred bytes, and at most 3 KB if it has a payload.
const KEPT: usize = 500;

/// A change that a caller made.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AuditLine {
    pub(super) time: String,
    /// The address of the caller.
    pub(super) who: String,
    /// The name of the token that the caller showed; null where none is required.
    pub(super) token: Option<&'static str>,
    pub(super) what: String,
    pub(super) done: String,
    /// What names the content before the change, such as its hash.
    pub(super) before: Option<String>,
    /// The same after the change.
    pub(super) after: Option<String>,
    /// Of a CALL.
    pub(super) call: Option<AuditedCall>,
}

/// The latest changes.
#[derive(Debug, Default)]
pub(super) struct AuditHistory(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// The oldest first.
    kept: VecDeque<AuditLine>,
    /// How many have been dropped.
    dropped: usize,
}

impl AuditHistory {
    /// Returns the number of the line.
    pub(super) fn add(&self, line: AuditLine) -> usize {
        let Lines { kept, dropped } = &mut *self.0.lock();
        if kept.len() == KEPT {
            kept.pop_front();
            *dropped += 1;
        }
        kept.push_back(line);
        *dropped + kept.len() - 1
    }

    /// Stores what has become of the CALL in the line of this number, if that is still kept.
    pub(super) fn end_call(&self, number: usize, call: AuditedCall) {
        let Lines { kept, dropped } = &mut *self.0.lock();
        if let Some(line) = number.checked_sub(*dropped).and_then(|index| kept.get_mut(index)) {
            line.done = call.done();
            line.call = Some(call);
        }
    }

    /// The latest first.
    pub(super) fn latest(&self, limit: usize) -> Vec<AuditLine> {
        self.0.lock().kept.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: String, call: Option<AuditedCall>) -> AuditLine {
        AuditLine {
            time: String::new(),
            who: "127.0.0.1:1".into(),
            token: None,
            what,
            done: "replaced".into(),
            before: None,
            after: None,
            call,
        }
    }

    #[test]
    fn oldest_lines_make_room() {
        let history = AuditHistory::default();
        for number in 0..KEPT + 3 {
            assert_eq!(history.add(line(number.to_string(), None)), number);
        }
        let lines = history.latest(KEPT + 100);
        let (first, last) = (lines.first().expect("a line"), lines.last().expect("a line"));
        assert_eq!((lines.len(), &*first.what, &*last.what), (KEPT, "502", "3"));
        assert_eq!(history.latest(2).len(), 2);
    }

    #[test]
    fn line_of_a_call_gets_its_outcome_while_it_is_kept() {
        let history = AuditHistory::default();
        let mut call = AuditedCall::new("CP1".into(), "Reset".into(), "1".into(), None);
        let number = history.add(line("a CALL".into(), Some(call.clone())));
        history.add(line("another change".into(), None));
        call.end(Err("the charge point went away"));
        history.end_call(number, call.clone());
        let lines = history.latest(2);
        assert_eq!((&*lines[0].done, &*lines[1].done), ("replaced", "not answered by charge point CP1"));
        assert_eq!(lines[1].call.as_ref(), Some(&call));
        for _ in 0..KEPT {
            history.add(line("a change".into(), None));
        }
        history.end_call(number, call);
        assert!(history.latest(KEPT).iter().all(|line| line.call.is_none()));
    }
}
