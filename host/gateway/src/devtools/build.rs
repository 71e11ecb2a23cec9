//! `transform build`: from a crate to a component.

use super::args::BuildArgs;
use super::inspect;
use super::verdict::CommandResult;
use anyhow::Context as _;
use ocpp_gateway_guest_build::GuestCrate;
use ocpp_gateway_pipeline::{Inspection, LoadOptions};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn run(asked: &BuildArgs) -> anyhow::Result<CommandResult> {
    let package = Package::of(&asked.dir)?;
    let file = asked.out.clone().unwrap_or_else(|| package.component());
    let bytes = package.build()?;
    put_in_place(&bytes, &file)?;
    let hooks = inspect::hooks(&Inspection::of(&bytes, &LoadOptions::default())).join(", ");
    println!("\n{}: {} bytes, hooks: {hooks}", file.display(), bytes.len());
    let samples = asked.dir.join("fixtures");
    let samples = samples.is_dir().then_some(samples.as_path());
    println!("\nIn the configuration of the gateway:\n\n{}", configuration(&package.name, &file, samples)?);
    Ok(CommandResult::Good)
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

    /// Compiles and encodes the component; the output of cargo is to be seen.
    pub(super) fn build(&self) -> anyhow::Result<Vec<u8>> {
        let guest = GuestCrate {
            manifest: &self.dir.join("Cargo.toml"),
            target_dir: &self.dir.join("target"),
            args: &["--lib"],
            module: &format!("{}.wasm", self.library),
        };
        Ok(guest.build()?)
    }

    /// Writes a component where only its tests look for it.
    pub(super) fn put_aside(&self, component: &[u8]) -> anyhow::Result<PathBuf> {
        let directory = self.dir.join("target").join("candidate");
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let file = directory.join(format!("{}.wasm", self.name));
        fs::write(&file, component).with_context(|| file.display().to_string())?;
        Ok(file)
    }
}

/// Writes a file of which nobody ever sees a half: a gateway may watch it.
pub(super) fn put_in_place(component: &[u8], file: &Path) -> anyhow::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    fs::write(&beside, component).with_context(|| beside.display().to_string())?;
    fs::rename(&beside, file).with_context(|| file.display().to_string())
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
