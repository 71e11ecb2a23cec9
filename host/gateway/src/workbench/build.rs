//! `transform build`: from a crate to a component.

use super::{Build, Verdict};
use anyhow::Context as _;
use ocpp_gateway_guest_build::Guest;
use ocpp_gateway_pipeline::{Inspection, Surroundings};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn run(asked: &Build) -> anyhow::Result<Verdict> {
    let package = Package::of(&asked.dir)?;
    let file = package.build(asked.out.as_deref())?;
    let bytes = fs::read(&file)?;
    let hooks = super::inspect::hooks(&Inspection::of(&bytes, &Surroundings::default())).join(", ");
    println!("\n{}: {} bytes, hooks: {hooks}", file.display(), bytes.len());
    let samples = asked.dir.join("fixtures");
    let samples = samples.is_dir().then_some(samples.as_path());
    println!("\nIn the configuration of the gateway:\n\n{}", configuration(&package.name, &file, samples)?);
    Ok(Verdict::Good)
}

/// A crate, as far as its manifest says where what it makes will be.
pub(super) struct Package {
    dir: PathBuf,
    pub(super) name: String,
    library: String,
}

impl Package {
    pub(super) fn of(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("Cargo.toml");
        let manifest = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest: toml::Table = manifest.parse().with_context(|| path.display().to_string())?;
        let name = |section: &str| manifest.get(section)?.get("name")?.as_str();
        let package = name("package").with_context(|| format!("{}: there is no package.name", path.display()))?;
        let library = name("lib").unwrap_or(package).replace('-', "_");
        Ok(Package { dir: dir.to_owned(), name: package.to_owned(), library })
    }

    /// Where the component goes unless somebody says otherwise.
    pub(super) fn component(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.name))
    }

    /// Compiles, encodes and writes the component; the output of cargo is to be seen.
    pub(super) fn build(&self, out: Option<&Path>) -> anyhow::Result<PathBuf> {
        let guest = Guest {
            manifest: &self.dir.join("Cargo.toml"),
            target_dir: &self.dir.join("target"),
            args: &["--lib"],
            module: &format!("{}.wasm", self.library),
        };
        let component = guest.build()?;
        let file = out.map_or_else(|| self.component(), Path::to_owned);
        fs::write(&file, component).with_context(|| file.display().to_string())?;
        Ok(file)
    }
}

/// What makes a gateway run it, in TOML.
fn configuration(name: &str, file: &Path, samples: Option<&Path>) -> anyhow::Result<String> {
    let path = |path| anyhow::Ok(toml::Value::from(fs::canonicalize(path)?.display().to_string()));
    let mut keys = format!("[[transforms]]\nname = {}\ncomponent = {}", toml::Value::from(name), path(file)?);
    if let Some(samples) = samples {
        keys += &format!("\nsamples = {}", path(samples)?);
    }
    Ok(keys)
}
