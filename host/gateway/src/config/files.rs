//! Files that the configuration names.

use std::io;
use std::path::Path;

/// Reads a file that the configuration names; the error names it too.
pub(super) fn read_to_string(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
