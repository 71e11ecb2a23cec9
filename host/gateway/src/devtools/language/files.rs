//! Files that are to be written.

use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a new folder: the path in it, and the content.
#[derive(Default)]
pub struct NewFiles(Vec<(PathBuf, String)>);

impl NewFiles {
    pub(super) fn add(&mut self, path: impl Into<PathBuf>, content: impl Into<String>) {
        self.0.push((path.into(), content.into()));
    }

    pub(super) fn add_all(&mut self, files: impl IntoIterator<Item = (&'static str, String)>) {
        files.into_iter().for_each(|(path, content)| self.add(path, content));
    }

    /// Writes them to a new folder. Fails if it exists already.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.exists() {
            bail!("{} exists already", folder.display());
        }
        for (path, content) in &self.0 {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            fs::write(&path, content).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_folder_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = NewFiles::default().write(folder.path()).expect_err("there already");
        assert!(error.to_string().contains("already"), "{error}");
    }
}
