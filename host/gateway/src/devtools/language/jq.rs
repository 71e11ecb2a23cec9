//! Transforms in jq: a program, which `builtin:jq` runs as it is.

use super::definition::{Language, Product};
use super::files::NewFiles;
use super::folder::files_like;
use super::scaffold::NewTransform;
use anyhow::{Context as _, bail};
use std::fs;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Jq;

impl Language for Jq {
    fn name(&self) -> &'static str {
        "jq"
    }

    fn manifests(&self) -> &'static [&'static str] {
        &["*.jq"]
    }

    fn product(&self) -> Product {
        Product::JqProgram
    }

    fn scaffold(&self, new: &NewTransform<'_>) -> anyhow::Result<NewFiles> {
        let mut files = new.common_files(false)?;
        let hooks: Vec<_> = new.hook_texts("jq")?.into_iter().map(|(_, text)| text).collect();
        files.add(format!("{}.jq", new.name), hooks.join("\n"));
        Ok(files)
    }

    fn transform_name(&self, dir: &Path) -> anyhow::Result<String> {
        match &files_like(dir, "*.jq")?[..] {
            [program] => Ok(program.trim_end_matches(".jq").to_owned()),
            _ => bail!("{} has several *.jq: a transform is one program", dir.display()),
        }
    }

    fn build(&self, dir: &Path) -> anyhow::Result<Vec<u8>> {
        let file = dir.join(self.transform_name(dir)?).with_added_extension("jq");
        fs::read(&file).with_context(|| file.display().to_string())
    }
}
