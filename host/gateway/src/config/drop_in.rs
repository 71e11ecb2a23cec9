//! `[drop_in]`: the directory with transforms that are files of their own.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name of the directory beside the configuration file.
const DEFAULT_DIRECTORY: &str = "transforms.d";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DropInConfig {
    /// The default depends on where the configuration is: `transforms.d` beside its file, or in the working directory
    /// without one.
    pub directory: Option<PathBuf>,
}

impl DropInConfig {
    /// Makes the directory independent of the working directory. `file`: that of the configuration.
    pub(super) fn resolve(&mut self, file: Option<&Path>) {
        let beside = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let directory = self.directory.take().unwrap_or(DEFAULT_DIRECTORY.into());
        let directory = beside.join(directory);
        self.directory = Some(std::path::absolute(&directory).unwrap_or(directory));
    }
}
