//! Corrections to the published schemas: `schemas/errata.json`.
//!
//! The licence of the schema files requires that they stay unchanged, so the errata are applied to the parsed schemas.

use crate::version::Version;
use serde::Deserialize;
use serde_json::Value;
use std::sync::OnceLock;

const ERRATA: &str = include_str!("../../schemas/errata.json");

/// Additional values of one enumeration. The file also has the `source` and the `reason`.
#[derive(Debug, Deserialize)]
struct Erratum {
    version: String,
    /// The name of the schema file.
    schema: String,
    /// JSON pointer to the `enum`.
    at: String,
    add: Vec<Value>,
}

fn errata() -> &'static [Erratum] {
    static PARSED: OnceLock<Vec<Erratum>> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(ERRATA).expect("a test parses the errata"))
}

/// The errata of the schema in `file` of `version`.
fn errata_of(version: Version, file: &str) -> impl Iterator<Item = &'static Erratum> {
    errata().iter().filter(move |erratum| erratum.version == version.subprotocol() && erratum.schema == file)
}

/// Whether there are errata for the schema in `file` of `version`.
pub(super) fn exist(version: Version, file: &str) -> bool {
    errata_of(version, file).next().is_some()
}

/// Applies the errata to the schema in `file` of `version`.
pub(super) fn amend(version: Version, file: &str, schema: &mut Value) {
    for erratum in errata_of(version, file) {
        let values = schema.pointer_mut(&erratum.at).and_then(Value::as_array_mut);
        values.expect("a test applies every erratum").extend(erratum.add.iter().cloned());
    }
}
