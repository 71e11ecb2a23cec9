//! The SDK and the WIT package that this gateway was built with. They are copied into every new transform, because
//! neither is on crates.io.

use super::files::NewFiles;
use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use std::path::Path;
use toml::{Table, Value};

static SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/src");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
const MANIFEST: &str = include_str!("../../../../../guest-sdk/Cargo.toml");
/// The manifest of the workspace that the SDK inherits from.
const WORKSPACE: &str = include_str!("../../../../../Cargo.toml");

/// Adds `ocpp-transform`, and `wit` beside it, where its tests expect it.
pub(super) fn add_to(files: &mut NewFiles) -> anyhow::Result<()> {
    files.add("ocpp-transform/Cargo.toml", manifest()?);
    files.add("wit/transform.wit", wit()?);
    add_sources(&SOURCES, files)
}

fn add_sources(dir: &Dir<'_>, files: &mut NewFiles) -> anyhow::Result<()> {
    for file in dir.files() {
        let text = file.contents_utf8().context("a source is not text")?;
        files.add(Path::new("ocpp-transform/src").join(file.path()), text);
    }
    dir.dirs().try_for_each(|dir| add_sources(dir, files))
}

/// The WIT package.
pub(super) fn wit() -> anyhow::Result<&'static str> {
    let file = WIT.get_file("transform.wit").and_then(|file| file.contents_utf8());
    file.context("there is no transform.wit")
}

/// The version of the WIT package.
pub(super) fn wit_version() -> anyhow::Result<&'static str> {
    let package =
        wit()?.lines().find_map(|line| line.strip_prefix("package ocpp-gateway:transform@")?.strip_suffix(';'));
    package.context("transform.wit has no version")
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
    fn version_of_the_package_is_read() {
        let version = wit_version().expect("a version");
        assert!(version.starts_with("1.") && version.split('.').count() == 3, "{version}");
    }
}
