//! A payload that is parsed when the first rule wants to look into it, and no second time.

use crate::call_error::{CallError, Violation};
use crate::version::Version;
use serde_json::Value;
use std::cell::OnceCell;

/// JSON text on its way through all the rules there are for it.
#[derive(Debug)]
pub struct Payload<'a> {
    text: &'a str,
    parsed: OnceCell<Result<Value, serde_json::Error>>,
}

impl<'a> Payload<'a> {
    pub fn new(text: &'a str) -> Self {
        Payload { text, parsed: OnceCell::new() }
    }

    /// Of the text, in bytes.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// The payload as a tree. Frames are JSON; but what is nested deeper than anything has to be, has numbers beyond all
    /// bounds or halves of characters in it, cannot be looked at: then the error says so.
    pub(super) fn value(&self, version: Version) -> Result<&Value, CallError> {
        let parsed = self.parsed.get_or_init(|| serde_json::from_str(self.text));
        // serde_json tells what it found and where, never the text.
        parsed.as_ref().map_err(|error| Violation::Form.error(version, error.to_string()))
    }
}
