//! `transform build`: builds a component from a crate.

use super::args::BuildArgs;
use super::inspect;
use super::verdict::CommandResult;
use anyhow::Context as _;
use ocpp_gateway_guest_build::GuestCrate;
use ocpp_gateway_pipeline::{Inspection, LoadOptions};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &BuildArgs) -> anyhow::Result<CommandResult> {
    let package = Package::of(&args.dir)?;
    let file = args.out.clone().unwrap_or_else(|| package.component());
    let bytes = package.build()?;
    write_atomically(&bytes, &file)?;
    let hooks = inspect::hooks(&Inspection::of(&bytes, &LoadOptions::default())).join(", ");
    println!("\n{}: {} bytes, hooks: {hooks}", file.display(), bytes.len());
    let samples = args.dir.join("fixtures");
    let samples = samples.is_dir().then_some(samples.as_path());
    println!("\nIn the configuration of the gateway:\n\n{}", configuration(&package.name, &file, samples)?);
    Ok(CommandResult::Good)
}

/// A crate: its folder, and the names in its manifest that the output files have.
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

    /// The default file of the component.
    pub(super) fn component(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.name))
    }

    /// Compiles and encodes the component. The output of cargo is shown.
    pub(super) fn build(&self) -> anyhow::Result<Vec<u8>> {
        let guest = GuestCrate {
            manifest: &self.dir.join("Cargo.toml"),
            target_dir: &self.dir.join("target"),
            args: &["--lib"],
            module: &format!("{}.wasm", self.library),
        };
        Ok(guest.build()?)
    }

    /// Writes a component to a file that only its tests use.
    pub(super) fn write_candidate(&self, component: &[u8]) -> anyhow::Result<PathBuf> {
        let directory = self.dir.join("target").join("candidate");
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let file = directory.join(format!("{}.wasm", self.name));
        fs::write(&file, component).with_context(|| file.display().to_string())?;
        Ok(file)
    }
}

/// Writes the component atomically, because a gateway may watch the file.
pub(super) fn write_atomically(component: &[u8], file: &Path) -> anyhow::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    fs::write(&beside, component).with_context(|| beside.display().to_string())?;
    fs::rename(&beside, file).with_context(|| file.display().to_string())
}

/// The configuration of a gateway that runs it, in TOML.
fn configuration(name: &str, file: &Path, samples: Option<&Path>) -> anyhow::Result<String> {
    let path = |path| anyhow::Ok(toml::Value::from(fs::canonicalize(path)?.display().to_string()));
    let mut keys = format!("[[transforms]]\nname = {}\ncomponent = {}", toml::Value::from(name), path(file)?);
    if let Some(samples) = samples {
        keys += &format!("\nsamples = {}", path(samples)?);
    }
    Ok(keys)
}
