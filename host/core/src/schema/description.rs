//! Describes the violation of a schema, in words and as an error code.

use crate::call_error::{CallError, Violation};
use crate::version::Version;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

/// The error for a payload that violates its schema: the first violation.
pub(super) fn violation_error(version: Version, validator: &Validator, value: &Value) -> CallError {
    // Only the first violation: a list may have one in each of a million items.
    match validator.validate(value) {
        Err(error) => kind_of(&error).error(version, describe(&error)),
        Ok(()) => Violation::Value.error(version, "payload: breaks its schema"),
    }
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

fn describe(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "payload".to_owned() } else { place.trim_start_matches('/').replace('/', ".") };
    format!("{place}: {}", error.masked())
}
