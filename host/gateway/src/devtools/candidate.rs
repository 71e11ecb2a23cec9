//! A version of a transform that has been built, and is not where a gateway finds it yet.

use super::component::{CompiledCode, TransformArg};
use super::language::{Product, Project};
use super::verdict::WrongUsage;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A built transform in a temporary file.
pub(super) struct Candidate {
    pub(super) content: Vec<u8>,
    pub(super) transform: TransformArg,
    pub(super) hooks: Vec<String>,
    pub(super) compiled: CompiledCode,
    _dir: TempDir,
}

impl Candidate {
    /// Builds the transform of a folder.
    pub(super) fn build(project: &Project) -> anyhow::Result<Self> {
        let content = project.build()?;
        let dir = tempfile::tempdir().context("a temporary folder")?;
        let file = dir.path().join(project.file_name());
        fs::write(&file, &content).with_context(|| file.display().to_string())?;
        let transform = TransformArg::of(file);
        let compiled = CompiledCode::directory()?;
        let hooks = transform.hooks(compiled.options());
        let hooks = hooks.with_context(|| project.dir.join(project.file_name()).display().to_string())?;
        Ok(Candidate { content, transform, hooks, compiled, _dir: dir })
    }

    /// Writes it atomically, because a gateway may watch the file.
    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = file.with_file_name(name);
        fs::write(&beside, &self.content).with_context(|| beside.display().to_string())?;
        fs::rename(&beside, file).with_context(|| file.display().to_string())
    }
}

/// The file to write what is built to, if it is to be written. `out`: the argument, a file or a folder.
pub(super) fn destination(project: &Project, out: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let file = match (out, project.product()) {
        (Some(folder), _) if folder.is_dir() => folder.join(project.file_name()),
        (Some(file), _) => file.to_owned(),
        (None, Product::Component) => project.dir.join(project.file_name()),
        // It is there already: it is the source.
        (None, Product::JqProgram) => return Ok(None),
    };
    let parent = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let absolute = |path: &Path| fs::canonicalize(path).with_context(|| path.display().to_string());
    let full = absolute(parent)?.join(file.file_name().unwrap_or_default());
    if project.is_source(&full, &absolute(&project.dir)?) {
        return Err(WrongUsage(format!("{} is a source of the transform: name another file", file.display())).into());
    }
    Ok(Some(file))
}
