//! `[drop_in]`: the directory with transforms that are files of their own.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name of the directory beside the configuration file.
const DEFAULT_DIRECTORY: &str = "transforms.d";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DropInConfig {
    /// Absent: `transforms.d` beside the configuration file, or in the working directory without one.
    pub directory: Option<PathBuf>,
    /// The directory that is used if `directory` is absent, once it is known where the configuration is.
    #[serde(skip)]
    default_directory: Option<PathBuf>,
}

impl DropInConfig {
    /// The directory in use.
    pub fn path(&self) -> Option<&Path> {
        self.directory.as_deref().or(self.default_directory.as_deref())
    }

    /// Makes the directory independent of the working directory. `file`: that of the configuration.
    pub(super) fn resolve(&mut self, file: Option<&Path>) {
        let beside = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let absolute = |directory: &Path| {
            let directory = beside.join(directory);
            std::path::absolute(&directory).unwrap_or(directory)
        };
        self.directory = self.directory.as_deref().map(absolute);
        self.default_directory = Some(absolute(Path::new(DEFAULT_DIRECTORY)));
    }
}
