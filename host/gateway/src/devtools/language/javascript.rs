//! Transforms in JavaScript: ComponentizeJS builds them, and npm fetches it.

use super::definition::Language;
use super::files::NewFiles;
use super::scaffold::NewTransform;
use super::tools;
use anyhow::Context as _;
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::process::Command;

const MISSING_NPM: &str = "install Node.js 20.19 or later";
const BUILDER: &str = "node_modules/.bin/componentize-js";
const MISSING_BUILDER: &str =
    "it has to be among the devDependencies of package.json: npm install --save-dev @bytecodealliance/componentize-js";

/// The manifests of the example, which pin the versions for new transforms too.
const PACKAGE: &str = include_str!("../../../../../examples/transform-javascript/package.json");
const LOCK: &str = include_str!("../../../../../examples/transform-javascript/package-lock.json");
const NAME_OF_EXAMPLE: &str = "status-spelling";

#[derive(Debug)]
pub(super) struct JavaScript;

/// What counts of a `package.json`.
#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default = "default_main")]
    main: String,
}

/// As for npm.
fn default_main() -> String {
    "index.js".into()
}

impl Package {
    fn of(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("package.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}

impl Language for JavaScript {
    fn name(&self) -> &'static str {
        "javascript"
    }

    fn manifests(&self) -> &'static [&'static str] {
        &["package.json"]
    }

    fn sources(&self) -> &'static [&'static str] {
        &["*.js", "*.mjs"]
    }

    fn scaffold(&self, new: &NewTransform<'_>) -> anyhow::Result<NewFiles> {
        let mut files = new.common_files(true)?;
        for (file, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK)] {
            files.add(file, text.replace(NAME_OF_EXAMPLE, new.name));
        }
        files.add(".gitignore", new.text("gitignore")?);
        files.add_all(new.wit_files()?);
        let hooks = new.hook_texts("js")?.into_iter().map(|(_, text)| "\n".to_owned() + &text);
        files.add(format!("{}.js", new.name), new.text("head.js")? + &hooks.collect::<String>());
        Ok(files)
    }

    /// Without the scope, as in `@scope/name`.
    fn transform_name(&self, dir: &Path) -> anyhow::Result<String> {
        let name = Package::of(dir)?.name;
        Ok(name.rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn build(&self, dir: &Path) -> anyhow::Result<Vec<u8>> {
        let Package { main, .. } = Package::of(dir)?;
        let files = ["package.json", "package-lock.json"];
        tools::install_once(dir, "node_modules/.transform-build", &files, || {
            let command = if dir.join("package-lock.json").is_file() { "ci" } else { "install" };
            let options = [command, "--no-audit", "--no-fund", "--loglevel=error"];
            tools::run(Command::new("npm").args(options).current_dir(dir), MISSING_NPM)
        })?;
        tools::output_file(|output| {
            // A transform gets no HTTP, so the component must not import it.
            let options = ["--wit", "wit", "--disable", "http", "fetch-event", "--out"];
            let mut command = Command::new(fs::canonicalize(dir)?.join(BUILDER));
            tools::run(command.arg(&main).args(options).arg(output).current_dir(dir), MISSING_BUILDER)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_has_a_name_and_a_main_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let name = |package: &str| {
            fs::write(dir.path().join("package.json"), package).expect("written");
            JavaScript.transform_name(dir.path())
        };
        assert_eq!(name(r#"{"name":"mine"}"#).expect("a name"), "mine");
        assert_eq!(name(r#"{"name":"@acme/mine"}"#).expect("a name"), "mine");
        let error = format!("{:#}", name("{}").expect_err("no name"));
        assert!(error.contains("package.json") && error.contains("name"), "{error}");
        let package: Package = serde_json::from_str(PACKAGE).expect("a package");
        assert_eq!((package.name.as_str(), package.main.as_str()), (NAME_OF_EXAMPLE, "status-spelling.js"));
    }
}
