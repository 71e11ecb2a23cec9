//! What the commands need to know of a language.

use super::files::NewFiles;
use super::scaffold::NewTransform;
use std::fmt;
use std::path::Path;

/// A language that transforms are written in.
pub trait Language: fmt::Debug + Sync {
    /// Its name for `--lang`, and the folder of its scaffold.
    fn name(&self) -> &'static str;

    /// The files by which a folder is recognised, each a name or `*` with an ending.
    fn manifests(&self) -> &'static [&'static str];

    /// Further files of sources in the folder itself, each a name or `*` with an ending.
    fn sources(&self) -> &'static [&'static str] {
        &[]
    }

    fn product(&self) -> Product {
        Product::Component
    }

    /// An error says why no transform in this language can have the name.
    fn check_name(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// The files of a new transform, besides those that are the same for all languages.
    fn scaffold(&self, new: &NewTransform<'_>) -> anyhow::Result<NewFiles>;

    /// The name of the transform in the folder.
    fn transform_name(&self, dir: &Path) -> anyhow::Result<String>;

    /// Builds the transform in the folder: the content of its product. Tools of the language write to the terminal.
    fn build(&self, dir: &Path) -> anyhow::Result<Vec<u8>>;
}

/// What a build makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Component,
    /// A program for `builtin:jq`.
    JqProgram,
}

impl Product {
    /// The ending of its file.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Product::Component => "wasm",
            Product::JqProgram => "jq",
        }
    }
}
