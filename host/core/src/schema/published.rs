//! The schemas that the Open Charge Alliance publishes: `host/core/schemas`.
//!
//! The program contains them compressed. A schema is decompressed and compiled when it first validates a payload, once
//! for all threads; later look-ups take no lock.

use super::description::violation_error;
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

/// The schemas of one action in one OCPP version.
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
    /// The name of its file, such as `HeartbeatRequest.json`.
    file: &'static str,
    /// Offset and length in [`ARCHIVE`], and decompressed length, in bytes.
    offset: usize,
    packed: usize,
    size: usize,
    validator: OnceLock<Validator>,
}

impl Schema {
    const fn new(file: &'static str, offset: usize, packed: usize, size: usize) -> Self {
        Schema { file, offset, packed, size, validator: OnceLock::new() }
    }

    /// The schema for the payloads of a message. Errors: [`Fault::UnknownAction`], or [`Fault::UnsupportedAction`] for
    /// an action that exists but has no message of this type.
    pub fn find(version: Version, kind: MessageType, action: &str) -> Result<&'static Self, Fault> {
        let known = published(version);
        let index = known.binary_search_by(|messages| messages.action.cmp(action)).map_err(|_| Fault::UnknownAction)?;
        let Messages { call, result, send, .. } = &known[index];
        let schema = match kind {
            MessageType::Call => call,
            MessageType::CallResult => result,
            MessageType::Send => send,
            MessageType::CallError | MessageType::CallResultError => &None,
        };
        schema.as_ref().ok_or(Fault::UnsupportedAction)
    }

    /// The actions of a version, sorted.
    pub fn actions(version: Version) -> impl Iterator<Item = &'static str> {
        published(version).iter().map(|messages| messages.action)
    }

    /// The text of the schema with its errata applied, in JSON. Without errata it is the published text, byte for byte,
    /// so that fields keep their order. `version`: the one that the schema was found for.
    pub fn amended_text(&self, version: Version) -> Vec<u8> {
        if errata::exist(version, self.file) { self.amended(version).to_string().into() } else { self.text() }
    }

    /// The first violation in a payload, with the error code of `version`. The description names the field and never
    /// quotes a value.
    pub fn violation(&self, version: Version, payload: &Payload<'_>) -> Option<CallError> {
        let validator = self.validator.get_or_init(|| self.compile(version));
        let value = match payload.value(version) {
            Ok(value) => value,
            Err(error) => return Some(error),
        };
        (!validator.is_valid(value)).then(|| violation_error(version, validator, value))
    }

    /// Compiles the schema. A test does so with every schema.
    fn compile(&self, version: Version) -> Validator {
        jsonschema::validator_for(&self.amended(version)).expect("the published schemas are valid")
    }

    /// The published schema with its errata applied.
    fn amended(&self, version: Version) -> Value {
        let mut schema = serde_json::from_slice(&self.text()).expect("the published schemas are JSON");
        errata::amend(version, self.file, &mut schema);
        schema
    }

    /// The published schema, byte for byte.
    fn text(&self) -> Vec<u8> {
        let packed = &ARCHIVE[self.offset..self.offset + self.packed];
        miniz_oxide::inflate::decompress_to_vec_with_limit(packed, self.size).expect("packed by the build")
    }
}

/// The schemas of a version, sorted by action.
fn published(version: Version) -> &'static [Messages] {
    match version {
        Version::V1_6 => &V1_6,
        Version::V2_0_1 => &V2_0_1,
        Version::V2_1 => &V2_1,
    }
}

#[cfg(test)]
mod tests;
