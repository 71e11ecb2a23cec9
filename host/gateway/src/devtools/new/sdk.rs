//! The SDK and the WIT package that this gateway was built with. They are copied into every new transform, because
//! neither is on crates.io.

use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

static SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/src");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
const MANIFEST: &str = include_str!("../../../../../guest-sdk/Cargo.toml");
/// The manifest of the workspace that the SDK inherits from.
const WORKSPACE: &str = include_str!("../../../../../Cargo.toml");

/// Writes `ocpp-transform` and `wit`, beside each other as the SDK requires.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let (sdk, wit) = (folder.join("ocpp-transform"), folder.join("wit"));
    fs::create_dir_all(sdk.join("src"))?;
    fs::write(sdk.join("Cargo.toml"), manifest()?)?;
    SOURCES.extract(sdk.join("src"))?;
    fs::create_dir(&wit)?;
    WIT.extract(&wit)?;
    Ok(())
}

/// The manifest of the SDK with inherited values filled in, and without what only this repository has.
fn manifest() -> anyhow::Result<String> {
    let mut manifest: Table = MANIFEST.parse()?;
    let workspace: Table = WORKSPACE.parse()?;
    let workspace = workspace.get("workspace").context("no workspace")?;
    for section in ["package", "dependencies"] {
        let inherited = workspace.get(section).with_context(|| format!("the workspace has no {section}"))?;
        let table = manifest.get_mut(section).and_then(Value::as_table_mut);
        for (key, value) in table.with_context(|| format!("the SDK has no {section}"))? {
            if value.get("workspace").is_some() {
                *value = inherited.get(key).with_context(|| format!("the workspace has no {key}"))?.clone();
            }
        }
    }
    manifest.remove("lints");
    manifest.remove("example");
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_inherits_nothing() {
        let text = manifest().expect("a manifest");
        assert!(!text.contains("workspace"), "{text}");
        let manifest: Table = text.parse().expect("TOML");
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2024"));
        assert!(manifest["dependencies"]["wit-bindgen"]["version"].is_str(), "{text}");
    }

    #[test]
    fn all_sources_are_written() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path()).expect("written");
        for file in ["ocpp-transform/src/lib.rs", "ocpp-transform/src/bindings.rs", "wit/transform.wit"] {
            assert!(folder.path().join(file).is_file(), "{file}");
        }
    }
}
