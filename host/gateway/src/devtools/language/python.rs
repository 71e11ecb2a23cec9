//! Transforms in Python: componentize-py builds them, in a virtual environment into which pip fetches it.

use super::definition::Language;
use super::files::NewFiles;
use super::folder::files_like;
use super::name;
use super::scaffold::{NewTransform, module};
use super::tools;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::process::Command;

const MISSING_PYTHON: &str = "install Python 3.10 or later, with venv";
const BUILDER: &str = ".venv/bin/componentize-py";
const MISSING_BUILDER: &str = "it has to be among the requirements: write componentize-py into requirements.txt";

const REQUIREMENTS: &str = "requirements.txt";
const PROJECT: &str = "pyproject.toml";
/// The requirements of the example, which pin the version for new transforms too.
const PINNED: &str = include_str!("../../../../../examples/transform-python/requirements.txt");

#[derive(Debug)]
pub(super) struct Python;

/// What counts of a `pyproject.toml`.
#[derive(Default, Deserialize)]
struct Pyproject {
    #[serde(default)]
    project: ProjectTable,
}

#[derive(Default, Deserialize)]
struct ProjectTable {
    name: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl ProjectTable {
    /// That of the folder; an empty one for a folder without it.
    fn of(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(PROJECT);
        if !path.is_file() {
            return Ok(ProjectTable::default());
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let Pyproject { project } = toml::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(project)
    }
}

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn manifests(&self) -> &'static [&'static str] {
        &[REQUIREMENTS, PROJECT]
    }

    fn sources(&self) -> &'static [&'static str] {
        &["*.py"]
    }

    fn check_name(&self, name: &str) -> Result<(), String> {
        if name.contains('_') {
            let other = name.replace('_', "-");
            return Err(format!("in Python a name has - where its module has _: try {other}"));
        }
        name::check_module(&module(name))
    }

    fn scaffold(&self, new: &NewTransform<'_>) -> anyhow::Result<NewFiles> {
        let mut files = new.common_files(true)?;
        files.add(REQUIREMENTS, PINNED);
        files.add(".gitignore", new.text("gitignore")?);
        files.add_all(new.wit_files()?);
        let hooks = new.hook_texts("py")?.into_iter().map(|(_, text)| "\n\n".to_owned() + &text);
        files.add(format!("{}.py", module(new.name)), new.text("head.py")? + &hooks.collect::<String>());
        Ok(files)
    }

    /// That of the project, or else that of the only module, with `-` for `_`.
    fn transform_name(&self, dir: &Path) -> anyhow::Result<String> {
        if let Some(name) = ProjectTable::of(dir)?.name {
            return Ok(name);
        }
        match &files_like(dir, "*.py")?[..] {
            [module] => Ok(module.trim_end_matches(".py").replace('_', "-")),
            [] => bail!("{} has no *.py", dir.display()),
            _ => bail!("{} has several *.py: name the transform in {PROJECT}, as [project] name", dir.display()),
        }
    }

    fn build(&self, dir: &Path) -> anyhow::Result<Vec<u8>> {
        let module = module(&self.transform_name(dir)?);
        let dependencies = ProjectTable::of(dir)?.dependencies;
        tools::install_once(dir, ".venv/.transform-build", &[REQUIREMENTS, PROJECT], || {
            let mut python = Command::new("python3");
            tools::run(python.args(["-m", "venv", "--clear", ".venv"]).current_dir(dir), MISSING_PYTHON)?;
            let mut pip = Command::new(fs::canonicalize(dir)?.join(".venv/bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(&dependencies);
            if dir.join(REQUIREMENTS).is_file() {
                pip.args(["--requirement", REQUIREMENTS]);
            }
            tools::run(pip.current_dir(dir), MISSING_PYTHON)
        })?;
        tools::output_file(|output| {
            let options = ["--quiet", "--wit-path", "wit", "componentize", &module, "--output"];
            let mut command = Command::new(fs::canonicalize(dir)?.join(BUILDER));
            tools::run(command.args(options).arg(output).current_dir(dir), MISSING_BUILDER)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_that_of_the_project_or_of_the_only_module() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        file("my_quirk.py", "");
        assert_eq!(Python.transform_name(dir.path()).expect("a name"), "my-quirk");
        file("helper.py", "");
        assert!(Python.transform_name(dir.path()).is_err());
        file("pyproject.toml", "[project]\nname = \"my-quirk\"\ndependencies = [\"componentize-py\"]\n[tool.x]\na = 1");
        assert_eq!(Python.transform_name(dir.path()).expect("a name"), "my-quirk");
        assert_eq!(ProjectTable::of(dir.path()).expect("a table").dependencies, ["componentize-py"]);
        file("pyproject.toml", "[project");
        let error = format!("{:#}", Python.transform_name(dir.path()).expect_err("no TOML"));
        assert!(error.contains("pyproject.toml"), "{error}");
    }
}
