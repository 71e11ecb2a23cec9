//! Transforms in Rust: a crate, which cargo builds.

use super::definition::Language;
use super::files::NewFiles;
use super::name;
use super::scaffold::NewTransform;
use super::{sdk, tools};
use anyhow::Context as _;
use ocpp_gateway_guest_build::{GuestCrate, cargo};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Debug)]
pub(super) struct Rust;

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn manifests(&self) -> &'static [&'static str] {
        &["Cargo.toml"]
    }

    fn check_name(&self, name: &str) -> Result<(), String> {
        name::check_crate(name)
    }

    fn scaffold(&self, new: &NewTransform<'_>) -> anyhow::Result<NewFiles> {
        let mut files = new.common_files(true)?;
        files.add("Cargo.toml", new.text("Cargo.toml")?);
        files.add(".gitignore", new.text("gitignore")?);
        let lines = |line: &dyn Fn(String) -> String| {
            new.hooks.iter().map(|hook| line(hook.to_string())).collect::<Vec<_>>().join("\n")
        };
        let traits: Vec<_> = new.hooks.iter().map(|hook| format!("{hook:?}")).collect();
        let library = new
            .text("lib.rs")?
            .replace("{{modules}}", &lines(&|hook| format!("mod {hook};")))
            .replace("{{fields}}", &lines(&|hook| format!("    {hook}: {hook}::Config,")))
            .replace("{{traits}}", &traits.join(", "));
        files.add("src/lib.rs", library);
        for (hook, text) in new.hook_texts("rs")? {
            files.add(format!("src/{hook}.rs"), text);
        }
        sdk::add_to(&mut files)?;
        Ok(files)
    }

    fn transform_name(&self, dir: &Path) -> anyhow::Result<String> {
        Ok(Names::of(dir)?.package)
    }

    fn build(&self, dir: &Path) -> anyhow::Result<Vec<u8>> {
        let mut version = Command::new(cargo());
        tools::run(version.arg("--version").stdout(Stdio::null()), "install Rust from https://rustup.rs")?;
        let guest = GuestCrate {
            manifest: &dir.join("Cargo.toml"),
            target_dir: &dir.join("target"),
            args: &["--lib"],
            module: &format!("{}.wasm", Names::of(dir)?.library),
        };
        Ok(guest.build()?)
    }
}

/// The names in a manifest that the output files have.
struct Names {
    package: String,
    library: String,
}

impl Names {
    fn of(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("Cargo.toml");
        let manifest = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest: toml::Table = manifest.parse().with_context(|| path.display().to_string())?;
        let name = |section: &str| manifest.get(section)?.get("name")?.as_str();
        let package = name("package").with_context(|| format!("{}: there is no package.name", path.display()))?;
        let library = name("lib").unwrap_or(package).replace('-', "_");
        Ok(Names { package: package.to_owned(), library })
    }
}
