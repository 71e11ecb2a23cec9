//! `[storage]`: the directory for what is to survive a restart.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageConfig {
    /// What was uploaded, with its settings and history, and copies of components from elsewhere. Absent: all of it ends
    /// with the process.
    pub directory: Option<PathBuf>,
}

impl StorageConfig {
    /// Makes the directory relative to that of the configuration.
    pub(super) fn resolve(&mut self, directory: &Path) {
        if let Some(path) = self.directory.as_mut().filter(|path| !path.as_os_str().is_empty()) {
            *path = directory.join(&*path);
        }
    }
}
