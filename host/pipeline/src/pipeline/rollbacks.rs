//! Which transforms were rolled back lately, so that a version that is being loaded does not undo it.

use std::collections::HashMap;

/// A moment: rollbacks after it are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollbackMark(u64);

/// The rollbacks since the process started.
#[derive(Debug, Default)]
pub(super) struct Rollbacks {
    count: u64,
    /// The number of the latest one of each transform.
    latest: HashMap<String, u64>,
}

impl Rollbacks {
    pub(super) fn record(&mut self, name: &str) {
        self.count += 1;
        self.latest.insert(name.to_owned(), self.count);
    }

    pub(super) fn mark(&self) -> RollbackMark {
        RollbackMark(self.count)
    }

    pub(super) fn has_any_since(&self, mark: RollbackMark, name: &str) -> bool {
        self.latest.get(name).is_some_and(|number| *number > mark.0)
    }
}
