//! What callers of the admin API have changed since the start.

use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;

/// Lines that are kept. Each names things of the gateway only, and has some hundred bytes.
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
}

/// The latest changes.
#[derive(Debug, Default)]
pub(super) struct AuditHistory(Mutex<VecDeque<AuditLine>>);

impl AuditHistory {
    pub(super) fn add(&self, line: AuditLine) {
        let mut lines = self.0.lock();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The latest first.
    pub(super) fn latest(&self, limit: usize) -> Vec<AuditLine> {
        self.0.lock().iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_lines_make_room() {
        let history = AuditHistory::default();
        for number in 0..KEPT + 3 {
            history.add(AuditLine {
                time: String::new(),
                who: "127.0.0.1:1".into(),
                token: None,
                what: number.to_string(),
                done: "replaced".into(),
                before: None,
                after: None,
            });
        }
        let lines = history.latest(KEPT + 100);
        let (first, last) = (lines.first().expect("a line"), lines.last().expect("a line"));
        assert_eq!((lines.len(), &*first.what, &*last.what), (KEPT, "502", "3"));
        assert_eq!(history.latest(2).len(), 2);
    }
}
