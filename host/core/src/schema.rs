//! JSON Schemas for payloads, and the error code that says what is wrong with one.

use crate::call_error::CallError;
use crate::frame::{Frame, MessageType};
use crate::version::Version;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use std::collections::HashMap;

/// Schemas by what they are for, compiled.
#[derive(Debug, Default)]
pub struct Schemas(HashMap<(Version, MessageType), HashMap<String, Vec<Validator>>>);

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
    /// Adds a schema, JSON text, for the payloads of an action: those of its CALL, its CALLRESULT or its SEND. Several
    /// for the same payloads must all hold. References to other documents are not followed.
    pub fn add(&mut self, version: Version, kind: MessageType, action: &str, schema: &str) -> Result<(), SchemaError> {
        let error = |reason: String| SchemaError { version, kind, action: action.to_owned(), reason };
        let schema: Value = serde_json::from_str(schema).map_err(|fault| error(format!("not JSON: {fault}")))?;
        let validator = jsonschema::validator_for(&schema).map_err(|fault| error(fault.to_string()))?;
        self.0.entry((version, kind)).or_default().entry(action.to_owned()).or_default().push(validator);
        Ok(())
    }

    /// The first thing that is wrong with the payload of a frame, as the charge point's version names it; the
    /// description names the field, and never quotes a value. `None`: nothing, or there is no schema for it.
    pub fn violation(&self, version: Version, frame: &Frame<'_>) -> Option<CallError> {
        let validators = self.0.get(&(version, frame.kind))?.get(frame.action_name())?;
        let payload: Value = match serde_json::from_str(&frame.payload) {
            Ok(payload) => payload,
            // Frames are JSON; this one is nested deeper than anything has to be.
            Err(error) => return Some(violation(version, Violation::Form, error.to_string())),
        };
        let error = validators.iter().find_map(|validator| validator.iter_errors(&payload).next())?;
        Some(violation(version, kind_of(&error), describe(&error)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What can be wrong with a payload, as far as the specifications tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Violation {
    /// Something is there that must not be.
    Form,
    /// A field has the wrong type.
    Type,
    /// A field is missing, or there are too few or too many of it.
    Occurrence,
    /// A field has a value that it must not have.
    Value,
}

/// OCPP-J 1.6 section 4.2.3; OCPP 2.0.1 and 2.1 part 4 section 4.3.
fn violation(version: Version, violation: Violation, description: String) -> CallError {
    let old = version == Version::V1_6;
    let code = match violation {
        Violation::Form if old => "FormationViolation",
        Violation::Form => "FormatViolation",
        Violation::Type => "TypeConstraintViolation",
        Violation::Occurrence if old => "OccurenceConstraintViolation",
        Violation::Occurrence => "OccurrenceConstraintViolation",
        Violation::Value => "PropertyConstraintViolation",
    };
    CallError { code: code.into(), description: description.into(), details: "{}".into() }
}

fn kind_of(error: &ValidationError<'_>) -> Violation {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type { .. } => Violation::Type,
        Kind::Required { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. }
        | Kind::AdditionalItems { .. }
        | Kind::MinProperties { .. }
        | Kind::MaxProperties { .. } => Violation::Occurrence,
        Kind::AdditionalProperties { .. }
        | Kind::UnevaluatedProperties { .. }
        | Kind::PropertyNames { .. }
        | Kind::FalseSchema => Violation::Form,
        _ => Violation::Value,
    }
}

/// A CALLERROR's description has room for 255 characters.
const LONGEST: usize = 255;

fn describe(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "payload".to_owned() } else { place.trim_start_matches('/').replace('/', ".") };
    format!("{place}: {}", error.masked()).chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let error = schemas(version).violation(version, &frame)?;
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
    fn what_no_schema_is_for_passes() {
        let schemas = schemas(Version::V1_6);
        let passes = |version, text| schemas.violation(version, &Frame::parse(text).expect("a frame")).is_none();
        assert!(passes(Version::V1_6, r#"[2,"1","Heartbeat",{"x":1}]"#));
        assert!(passes(Version::V2_1, r#"[2,"1","Authorize",{}]"#));
        assert!(passes(Version::V1_6, r#"[3,"1",{}]"#));
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        let mut schemas = Schemas::default();
        let mut add =
            |schema| schemas.add(Version::V1_6, MessageType::Call, "Reset", schema).expect_err("no schema").to_string();
        assert!(add("{").contains("the schema for Reset (ocpp1.6, CALL) cannot be used: not JSON"));
        assert!(add(r#"{"type":"strange"}"#).contains("cannot be used"));
        assert!(add(r##"{"$ref":"http://127.0.0.1:1/schema.json"}"##).contains("cannot be used"));
        assert!(schemas.is_empty());
    }
}
