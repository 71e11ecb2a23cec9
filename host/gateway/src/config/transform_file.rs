//! The keys of one transform in a file of its own.

use super::fault::{ConfigFault, ConfigFaults};
use super::load::Draft;
use super::transform::TransformConfig;
use std::path::Path;
use toml::Table;

/// Reads the keys of one transform from `text`, the content of `file`, whose name gives the transform its name.
/// `component`: that of the file beside it; `None`: the text has to name one. Relative paths are relative to the
/// directory of the file.
pub fn read_transform(
    file: &Path,
    text: &str,
    name: &str,
    component: Option<&str>,
) -> Result<TransformConfig, ConfigFaults> {
    let fault = |problem: String| ConfigFaults(vec![ConfigFault { place: file.display().to_string(), problem }]);
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| fault(error.to_string()))?;
    if table.contains_key("name") {
        return Err(fault(format!("name: the name of the file is that of the transform, {name:?}")));
    }
    match (component, table.contains_key("component")) {
        (Some(_), true) => return Err(fault("component: contradicts the file of this name beside it".into())),
        (None, false) => return Err(fault("names no component, and there is no .jq or .wasm file beside it".into())),
        (None, true) => {}
        (Some(component), false) => drop(table.insert("component".into(), component.into())),
    }
    table.insert("name".into(), name.into());
    let mut transform = Draft::of_one_transform(Some(file), table).into_transform()?;
    if let Some(directory) = file.parent() {
        transform.resolve_paths(directory);
    }
    Ok(transform)
}

/// The transform with these keys, which are in no file.
pub fn transform_of(table: Table) -> Result<TransformConfig, ConfigFaults> {
    Draft::of_one_transform(None, table).into_transform()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, component: Option<&str>) -> Result<TransformConfig, String> {
        read_transform(Path::new("/d/10-quirk.toml"), text, "quirk", component).map_err(|faults| faults.to_string())
    }

    #[test]
    fn file_names_the_transform_and_its_component_or_the_file_beside_it() {
        let text = "component = \"mine.wasm\"\nsamples = \"cases\"\n[config]\nfile = \"a\"";
        let transform = read(text, None).expect("valid");
        assert_eq!((&*transform.name, &*transform.component), ("quirk", "/d/mine.wasm"));
        assert_eq!(transform.samples.as_deref(), Some(Path::new("/d/cases")));
        // Only `builtin:jq` has a file that the gateway reads.
        assert_eq!(transform.config["file"].as_str(), Some("a"));
        let transform = read("on_error = \"bypass\"", Some("builtin:jq")).expect("valid");
        assert_eq!(transform.component, "builtin:jq");
        let transform = read("component = \"builtin:jq\"\n[config]\nfile = \"a.jq\"", None).expect("valid");
        assert_eq!(transform.config["file"].as_str(), Some("/d/a.jq"));
    }

    #[test]
    fn faults_name_file_and_key() {
        for (text, component, expected) in [
            ("x", None, "/d/10-quirk.toml: "),
            ("name = \"other\"", Some("builtin:jq"), "/d/10-quirk.toml: name: the name of the file is"),
            ("component = \"builtin:redact\"", Some("builtin:jq"), "/d/10-quirk.toml: component: contradicts"),
            ("", None, "/d/10-quirk.toml: names no component"),
            (
                "limts.time = \"1s\"",
                Some("a.wasm"),
                "/d/10-quirk.toml: limts.time: unknown key; did you mean limits.time?",
            ),
            ("limits.time = \"0s\"", Some("a.wasm"), "/d/10-quirk.toml: limits.time: has to be longer than 0s"),
            ("on_error = 1", Some("a.wasm"), "/d/10-quirk.toml: on_error: "),
        ] {
            let faults = read(text, component).expect_err(text);
            assert!(faults.starts_with(expected) && !faults.contains('\n') || text == "x", "{text}: {faults}");
        }
    }
}
