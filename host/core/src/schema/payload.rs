//! A payload that is parsed at most once, when it is first validated.

use crate::call_error::{CallError, Violation};
use crate::version::Version;
use serde_json::Value;
use std::cell::OnceCell;

/// The JSON text of a payload, and the result of parsing it.
#[derive(Debug)]
pub struct Payload<'a> {
    text: &'a str,
    parsed: OnceCell<Result<Value, serde_json::Error>>,
}

impl<'a> Payload<'a> {
    pub fn new(text: &'a str) -> Self {
        Payload { text, parsed: OnceCell::new() }
    }

    /// The size of the text, in bytes.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// The parsed payload. Parsing fails if the text is nested too deeply, or contains numbers out of range or lone
    /// surrogates, although its frame was read as JSON.
    pub(super) fn value(&self, version: Version) -> Result<&Value, CallError> {
        let parsed = self.parsed.get_or_init(|| serde_json::from_str(self.text));
        // serde_json's message gives the problem and its position, never the text.
        parsed.as_ref().map_err(|error| Violation::Form.error(version, error.to_string()))
    }
}
