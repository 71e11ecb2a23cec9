//! Recordings that are replayed: `transform test --recording` and `transform diff`.
//!
//! - `recorded`: the messages of a recording, one after the other; `chain`: what they pass.
//! - `test`: what a transform makes of them, in numbers; `summary`: these numbers; `failures`: what fails, in groups.
//! - `diff`: where two transforms differ; `differences`: how two outcomes of one message differ; `pairs`: which messages
//!   of two outcomes belong together; `json`: where two JSON texts differ; `groups`: differences of the same kind;
//!   `report`: what is printed of them.
//! - `output`: writes to standard output.

mod chain;
mod diff;
mod differences;
mod failures;
mod groups;
mod json;
mod output;
mod pairs;
mod recorded;
mod report;
mod summary;
mod test;
#[cfg(test)]
mod tests;

pub(super) use diff::run as diff;
pub(super) use test::run as test;
