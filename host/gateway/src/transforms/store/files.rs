//! The directory of the store. Each file is written under another name first, so that the process may end at any moment.

use super::code::{Code, is_code};
use super::index::Index;
use parking_lot::Mutex;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tracing::warn;

/// Which versions there are.
pub(super) const INDEX: &str = "transforms.json";
/// Components and programs.
const CODE: &str = "code";
/// What the name of a file begins with until it is complete.
const INCOMPLETE: &str = ".incomplete-";
/// The extension of a signature, after that of its file.
const SIGNATURE: &str = ".minisig";

/// The directory of one gateway.
#[derive(Debug)]
pub(super) struct StoreFiles {
    directory: PathBuf,
    /// Locked while the gateway runs; `None`: it is only read, or unlocked.
    lock: Mutex<Option<File>>,
}

impl StoreFiles {
    /// Creates the directory if it is missing, for this user alone, and locks it. Programs that tidy up directories for
    /// temporary files leave a locked one alone.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory.join(CODE))?;
        let lock = File::open(directory)?;
        if lock.metadata()?.permissions().mode() & 0o022 != 0 {
            return Err(io::Error::other("other users may write in it, and what is in it runs: chmod 700"));
        }
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::other("another gateway uses this directory"),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(StoreFiles { directory: directory.to_owned(), lock: Mutex::new(Some(lock)) })
    }

    /// Only for reading, beside a gateway that uses the directory.
    pub(super) fn read_only(directory: &Path) -> Self {
        StoreFiles { directory: directory.to_owned(), lock: Mutex::new(None) }
    }

    /// Lets another gateway use the directory.
    pub(super) fn unlock(&self) {
        *self.lock.lock() = None;
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.directory.join(INDEX)
    }

    /// The text of the index; `None`: nothing is stored yet.
    pub(super) fn read_index(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(self.index_path()) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write_index(&self, index: &Index) -> io::Result<()> {
        let text = serde_json::to_string_pretty(index)? + "\n";
        write(&self.directory, INDEX, text.as_bytes())
    }

    pub(super) fn code_path(&self, code: &Code) -> PathBuf {
        self.directory.join(CODE).join(code.file_name())
    }

    /// Writes a component or a program, and its signature beside it. One that is there is replaced only by one that
    /// `is_verified`.
    pub(super) fn write_code(
        &self,
        code: &Code,
        bytes: &[u8],
        signature: Option<&str>,
        is_verified: bool,
    ) -> io::Result<()> {
        let (directory, name) = (self.directory.join(CODE), code.file_name());
        let signature_name = name.clone() + SIGNATURE;
        let is_wanted = |_: &&str| is_verified || !directory.join(&signature_name).exists();
        if let Some(signature) = signature.filter(is_wanted) {
            write(&directory, &signature_name, signature.as_bytes())?;
        }
        // A file with this content may be damaged, so that it is written again.
        write(&directory, &name, bytes)
    }

    /// Removes what neither the index nor `fetched` needs, and what was not complete when a process ended. What cannot
    /// be removed stays.
    pub(super) fn remove_all_but<'a>(&self, index: &Index, fetched: impl IntoIterator<Item = &'a Code>) {
        let mut needed = index.files();
        needed.extend(fetched.into_iter().map(Code::file_name));
        let is_unused = |name: &str| {
            let name = name.strip_suffix(SIGNATURE).unwrap_or(name);
            is_code(name) && !needed.contains(name) || name.starts_with(INCOMPLETE)
        };
        remove_files(&self.directory.join(CODE), is_unused);
        remove_files(&self.directory, |name| name.starts_with(INCOMPLETE));
    }
}

fn remove_files(directory: &Path, is_unused: impl Fn(&str) -> bool) {
    let files = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    for file in files.filter(|file| is_unused(&file.file_name().to_string_lossy())) {
        if let Err(error) = fs::remove_file(file.path()) {
            warn!("{} is not used any more and cannot be removed: {error}", file.path().display());
        }
    }
}

/// Writes a file so that its name leads to the old content or to all of the new one, also after a power failure.
fn write(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::with_prefix_in(INCOMPLETE, directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(directory.join(name)).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}
