//! What has to be amended in the published schemas: `schemas/errata.json`.
//!
//! The files themselves stay as they were published, for their licence wants that; the errata are applied to what was
//! read of them.

use crate::version::Version;
use serde::Deserialize;
use serde_json::Value;
use std::sync::OnceLock;

const ERRATA: &str = include_str!("../../schemas/errata.json");

/// More values for one enumeration. The file says besides who wants it (`source`), and why (`reason`).
#[derive(Debug, Deserialize)]
struct Erratum {
    version: String,
    /// The file.
    schema: String,
    /// JSON pointer to the `enum`.
    at: String,
    add: Vec<Value>,
}

fn errata() -> &'static [Erratum] {
    static READ: OnceLock<Vec<Erratum>> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(ERRATA).expect("a test reads them"))
}

/// Applies the errata to the schema in `file` of `version`.
pub(super) fn amend(version: Version, file: &str, schema: &mut Value) {
    let concerned = |erratum: &&Erratum| erratum.version == version.subprotocol() && erratum.schema == file;
    for erratum in errata().iter().filter(concerned) {
        let values = schema.pointer_mut(&erratum.at).and_then(Value::as_array_mut);
        values.expect("a test applies every erratum").extend(erratum.add.iter().cloned());
    }
}
