//! The schemas that the Open Charge Alliance publishes, as the program carries them: `host/core/schemas`.
//!
//! They lie compressed in the program. One is unpacked and compiled when the first payload comes that it is for, once
//! for all threads; from then on looking it up takes no lock.

use super::description::described;
use super::errata;
use super::payload::Payload;
use crate::call_error::{CallError, Fault};
use crate::frame::MessageType;
use crate::version::Version;
use jsonschema::Validator;
use serde_json::Value;
use std::sync::OnceLock;

static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/published.bin"));

include!(concat!(env!("OUT_DIR"), "/published.rs"));

/// What a version of OCPP has for one action.
#[derive(Debug)]
struct Messages {
    action: &'static str,
    call: Option<Schema>,
    result: Option<Schema>,
    send: Option<Schema>,
}

/// A published schema.
#[derive(Debug)]
pub struct Schema {
    /// The file that it comes from, such as `HeartbeatRequest.json`.
    file: &'static str,
    /// Where it lies in the archive, and how long it is there and unpacked, in bytes.
    offset: usize,
    packed: usize,
    size: usize,
    validator: OnceLock<Validator>,
}

impl Schema {
    const fn new(file: &'static str, offset: usize, packed: usize, size: usize) -> Self {
        Schema { file, offset, packed, size, validator: OnceLock::new() }
    }

    /// The schema for the payloads of a message, or why there is none: [`Fault::UnknownAction`], or
    /// [`Fault::UnsupportedAction`] for an action that exists, but not as a message of this type.
    pub fn find(version: Version, kind: MessageType, action: &str) -> Result<&'static Self, Fault> {
        let known: &'static [Messages] = match version {
            Version::V1_6 => &V1_6,
            Version::V2_0_1 => &V2_0_1,
            Version::V2_1 => &V2_1,
        };
        let place = known.binary_search_by(|messages| messages.action.cmp(action)).map_err(|_| Fault::UnknownAction)?;
        let Messages { call, result, send, .. } = &known[place];
        let schema = match kind {
            MessageType::Call => call,
            MessageType::CallResult => result,
            MessageType::Send => send,
            MessageType::CallError | MessageType::CallResultError => &None,
        };
        schema.as_ref().ok_or(Fault::UnsupportedAction)
    }

    /// The first thing that is wrong with a payload, as `version` names it; the description names the field, and never
    /// quotes a value.
    pub fn violation(&self, version: Version, payload: &Payload<'_>) -> Option<CallError> {
        let validator = self.validator.get_or_init(|| self.compile(version));
        let value = match payload.value(version) {
            Ok(value) => value,
            Err(error) => return Some(error),
        };
        (!validator.is_valid(value)).then(|| described(version, validator, value))
    }

    /// A test compiles all of them.
    fn compile(&self, version: Version) -> Validator {
        jsonschema::validator_for(&self.amended(version)).expect("the published schemas are schemas")
    }

    /// As published, with the errata that apply to it.
    fn amended(&self, version: Version) -> Value {
        let mut schema = serde_json::from_slice(&self.text()).expect("the published schemas are JSON");
        errata::amend(version, self.file, &mut schema);
        schema
    }

    /// As published, byte for byte.
    fn text(&self) -> Vec<u8> {
        let packed = &ARCHIVE[self.offset..self.offset + self.packed];
        miniz_oxide::inflate::decompress_to_vec_with_limit(packed, self.size).expect("packed by the build")
    }
}

#[cfg(test)]
mod tests;
