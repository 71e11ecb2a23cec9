//! A folder with a transform.

use super::definition::{Language, Product};
use super::folder::{files_like, is_like};
use super::javascript::JavaScript;
use super::jq::Jq;
use super::python::Python;
use super::rust::Rust;
use anyhow::bail;
use std::path::{Path, PathBuf};

/// All languages; the first one is the default.
pub(crate) static LANGUAGES: [&dyn Language; 4] = [&Rust, &JavaScript, &Python, &Jq];

/// Folders with further sources, in every language. Outputs of a build are in none of them.
pub(crate) const SOURCE_FOLDERS: [&str; 4] = ["src", "fixtures", "ocpp-transform/src", "wit"];

/// The language of this name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Language> {
    LANGUAGES.into_iter().find(|language| language.name() == name)
}

/// A folder with a transform, and its language.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    language: &'static dyn Language,
}

impl Project {
    /// Fails if the folder has a transform in no language, or in several.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut found = Vec::new();
        for language in LANGUAGES {
            found.extend(manifest(language, dir)?.map(|name| (language, name)));
        }
        match &found[..] {
            [(language, _)] => {
                Ok(Project { dir: dir.to_owned(), name: language.transform_name(dir)?, language: *language })
            }
            [] => {
                let wanted: Vec<_> = LANGUAGES.iter().flat_map(|language| language.manifests()).copied().collect();
                bail!("{} has no transform: none of {}", dir.display(), wanted.join(", "))
            }
            [(_, one), (_, other), ..] => {
                bail!("{} has {one} and {other}: a folder has a transform in one language", dir.display())
            }
        }
    }

    pub(crate) fn product(&self) -> Product {
        self.language.product()
    }

    /// Builds it: the content of its product.
    pub(crate) fn build(&self) -> anyhow::Result<Vec<u8>> {
        self.language.build(&self.dir)
    }

    /// The name of the product's file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.product().extension())
    }

    /// Whether a file in `dir`, the folder of the transform, is a source of it. Outputs of the build are none.
    pub(crate) fn is_source(&self, path: &Path, dir: &Path) -> bool {
        let Ok(path) = path.strip_prefix(dir) else { return false };
        let patterns = || self.language.manifests().iter().chain(self.language.sources());
        match path.to_str() {
            Some(name) if !name.contains('/') => patterns().any(|pattern| is_like(name, pattern)),
            _ => SOURCE_FOLDERS.iter().any(|folder| path.starts_with(folder)),
        }
    }
}

/// The first file in a folder by which the language is recognised.
fn manifest(language: &dyn Language, dir: &Path) -> anyhow::Result<Option<String>> {
    for pattern in language.manifests() {
        if let Some(name) = files_like(dir, pattern)?.into_iter().next() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
