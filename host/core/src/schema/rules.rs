//! Schemas of transforms, besides the published ones.

use super::cost::{MAX_SCHEMA_BYTES, Plan, TooCostly};
use super::description::violation_error;
use super::payload::Payload;
use crate::call_error::{CallError, Violation};
use crate::frame::MessageType;
use crate::version::Version;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::collections::HashMap;

/// The member of a schema that says whether it replaces the published one for the same payloads.
const REPLACES: &str = "x-replaces";

/// Compiled schemas, by the messages that they are for.
#[derive(Debug, Default)]
pub struct Schemas(HashMap<(Version, MessageType), HashMap<String, Rules>>);

/// The schemas for the payloads of one message.
#[derive(Debug, Default)]
struct Rules {
    validators: Vec<(Validator, Plan)>,
    /// Whether they replace the published schema.
    replace: bool,
}

/// The largest compiled pattern. Classes of all of Unicode take some thousand bytes.
const MAX_PATTERN_BYTES: usize = 256 << 10;
/// A violation found in more steps is not described in detail, because a description requires another run that collects
/// all violations.
const MAX_STEPS_TO_DESCRIBE: u64 = 25_000;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema for {action} ({version}, {}) cannot be used: {reason}", kind.name())]
pub struct SchemaError {
    pub version: Version,
    pub kind: MessageType,
    pub action: String,
    pub reason: String,
}

impl Schemas {
    /// Adds a schema, as JSON text, for the payloads of an action: those of its CALL, its CALLRESULT or its SEND. If
    /// there are several for the same payloads, all apply. References to other documents are errors. A schema with
    /// `"x-replaces": true` replaces the published one.
    pub fn add(&mut self, version: Version, kind: MessageType, action: &str, schema: &str) -> Result<(), SchemaError> {
        let error = |reason: String| SchemaError { version, kind, action: action.to_owned(), reason };
        if schema.len() > MAX_SCHEMA_BYTES {
            return Err(error(format!("{} bytes, where {} are allowed", schema.len(), MAX_SCHEMA_BYTES)));
        }
        let schema: Value = serde_json::from_str(schema).map_err(|fault| error(format!("not JSON: {fault}")))?;
        let replaces = match schema.get(REPLACES) {
            None => false,
            Some(Value::Bool(replaces)) => *replaces,
            Some(_) => return Err(error(format!("{REPLACES} is neither true nor false"))),
        };
        let plan = Plan::of(&schema).map_err(error)?;
        // This engine has no backtracking, look-around or back-references, so its time is linear in the text.
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        let built = jsonschema::options().with_pattern_options(patterns).build(&schema);
        let validator = built.map_err(|fault| error(fault.to_string()))?;
        let rules = self.0.entry((version, kind)).or_default().entry(action.to_owned()).or_default();
        rules.validators.push((validator, plan));
        rules.replace |= replaces;
        Ok(())
    }

    /// The first violation in the payload of a message, with the error code of `version`. The description names the
    /// field and never quotes a value. `None`: no violation, or no schema. Error: the payload was not validated,
    /// because that might take too long.
    pub fn violation(
        &self,
        version: Version,
        kind: MessageType,
        action: &str,
        payload: &Payload<'_>,
    ) -> Result<Option<CallError>, TooCostly> {
        let Some(rules) = self.rules(version, kind, action) else { return Ok(None) };
        let value = match payload.value(version) {
            Ok(value) => value,
            Err(error) => return Ok(Some(error)),
        };
        for (validator, plan) in &rules.validators {
            plan.check(value, payload.size())?;
            if !validator.is_valid(value) {
                return Ok(Some(match plan.cost(value) {
                    Ok(..=MAX_STEPS_TO_DESCRIBE) => violation_error(version, validator, value),
                    _ => Violation::Value.error(version, "payload: breaks its schema"),
                }));
            }
        }
        Ok(None)
    }

    /// Validates these payloads with every schema, for any action. They need not be valid; the error says that a
    /// validation might take too long.
    pub fn try_on(&self, payloads: &[&str]) -> Result<(), SchemaError> {
        for (&(version, kind), actions) in &self.0 {
            for action in actions.keys() {
                for payload in payloads {
                    let error = |fault: TooCostly| SchemaError {
                        version,
                        kind,
                        action: action.clone(),
                        reason: fault.to_string(),
                    };
                    self.violation(version, kind, action, &Payload::new(payload)).map_err(error)?;
                }
            }
        }
        Ok(())
    }

    /// Whether there is a schema for the payloads of these messages.
    pub fn has(&self, version: Version, kind: MessageType, action: &str) -> bool {
        self.rules(version, kind, action).is_some()
    }

    /// Whether there is one, and it replaces the published schema.
    pub fn replaces(&self, version: Version, kind: MessageType, action: &str) -> bool {
        self.rules(version, kind, action).is_some_and(|rules| rules.replace)
    }

    fn rules(&self, version: Version, kind: MessageType, action: &str) -> Option<&Rules> {
        self.0.get(&(version, kind))?.get(action)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["idTag"],"properties":{
        "idTag":{"type":"string","maxLength":20},"kind":{"enum":["a","b"]},
        "list":{"type":"array","minItems":1,"items":{"type":"object","properties":{"n":{"type":"integer"}}}}}}"#;

    fn schemas(version: Version) -> Schemas {
        let mut schemas = Schemas::default();
        schemas.add(version, MessageType::Call, "Authorize", SCHEMA).expect("a schema");
        schemas
    }

    fn found(version: Version, payload: &str) -> Option<(String, String)> {
        let text = format!(r#"[2,"1","Authorize",{payload}]"#);
        let frame = Frame::parse(&text).expect("a frame");
        let payload = Payload::new(&frame.payload);
        let found = schemas(version).violation(version, frame.kind, frame.action_name(), &payload);
        let error = found.expect("cheap enough to validate")?;
        Some((error.code.into_owned(), error.description.into_owned()))
    }

    #[test]
    fn each_kind_of_violation_has_its_code_and_names_the_field() {
        assert_eq!(found(Version::V1_6, r#"{"idTag":"x"}"#), None);
        for (payload, old, new, field) in [
            (r#"{}"#, "OccurenceConstraintViolation", "OccurrenceConstraintViolation", "idTag"),
            (r#"{"idTag":1}"#, "TypeConstraintViolation", "TypeConstraintViolation", "idTag"),
            (r#"{"idTag":"x","more":1}"#, "FormationViolation", "FormatViolation", "more"),
            (r#"{"idTag":"x","kind":"c"}"#, "PropertyConstraintViolation", "PropertyConstraintViolation", "kind"),
            (r#"{"idTag":"x","list":[]}"#, "OccurenceConstraintViolation", "OccurrenceConstraintViolation", "list"),
            (
                r#"{"idTag":"x","list":[{"n":"secret"}]}"#,
                "TypeConstraintViolation",
                "TypeConstraintViolation",
                "list.0.n",
            ),
        ] {
            for (version, code) in [(Version::V1_6, old), (Version::V2_0_1, new), (Version::V2_1, new)] {
                let (found_code, text) = found(version, payload).expect("a violation");
                assert_eq!(found_code, code, "{payload}");
                assert!(text.contains(field) && !text.contains("secret"), "{payload}: {text}");
            }
        }
        let long = format!(r#"{{"idTag":"{}"}}"#, "x".repeat(21));
        let (code, text) = found(Version::V1_6, &long).expect("a violation");
        assert_eq!(code, "PropertyConstraintViolation");
        assert!(text.starts_with("idTag: ") && !text.contains("xxx"), "{text}");
    }

    #[test]
    fn payload_without_a_schema_passes() {
        let schemas = schemas(Version::V1_6);
        let passes = |version, text| {
            let frame = Frame::parse(text).expect("a frame");
            let payload = Payload::new(&frame.payload);
            schemas.violation(version, frame.kind, frame.action_name(), &payload) == Ok(None)
        };
        assert!(passes(Version::V1_6, r#"[2,"1","Heartbeat",{"x":1}]"#));
        assert!(passes(Version::V2_1, r#"[2,"1","Authorize",{}]"#));
        assert!(passes(Version::V1_6, r#"[3,"1",{}]"#));
    }

    #[test]
    fn invalid_schemas_are_refused() {
        let mut schemas = Schemas::default();
        let long = format!("\"{}\"", "x".repeat(300_000));
        let mut add =
            |schema| schemas.add(Version::V1_6, MessageType::Call, "Reset", schema).expect_err("no schema").to_string();
        assert!(add("{").contains("the schema for Reset (ocpp1.6, CALL) cannot be used: not JSON"));
        assert!(add(r#"{"type":"strange"}"#).contains("cannot be used"));
        assert!(add(r##"{"$ref":"http://127.0.0.1:1/schema.json"}"##).contains("cannot be used"));
        // A pattern with look-ahead.
        assert!(add(r#"{"pattern":"^(?=a)b"}"#).contains("cannot be used"));
        assert!(add(r#"{"pattern":"(a{1000}){1000}"}"#).contains("cannot be used"));
        assert!(add(&long).contains("bytes, where"));
        assert!(add(r#"{"x-replaces":"yes"}"#).contains("x-replaces is neither true nor false"));
        assert!(schemas.is_empty());
    }

    #[test]
    fn schema_declares_whether_it_replaces_the_published_one() {
        let mut schemas = Schemas::default();
        let mut add = |action, schema| schemas.add(Version::V1_6, MessageType::Call, action, schema).expect("a schema");
        add("Reset", r#"{"x-replaces":true}"#);
        add("Reset", "{}");
        add("ClearCache", r#"{"x-replaces":false}"#);
        let replaces = |kind, action| schemas.replaces(Version::V1_6, kind, action);
        assert!(replaces(MessageType::Call, "Reset") && !replaces(MessageType::Call, "ClearCache"));
        assert!(!replaces(MessageType::CallResult, "Reset") && !replaces(MessageType::Call, "Heartbeat"));
        assert!(schemas.has(Version::V1_6, MessageType::Call, "ClearCache"));
        assert!(!schemas.has(Version::V2_1, MessageType::Call, "ClearCache"));
    }
}
