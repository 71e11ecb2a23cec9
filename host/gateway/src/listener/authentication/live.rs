//! What was read from files, and is read again when they change.

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use tracing::{info, warn};

/// Reads a value from its files, with the one before at hand. The error says which file is wrong, and repeats no secret.
type Read<T> = Box<dyn Fn(Option<&T>) -> Result<T, String> + Send + Sync>;

/// A value from files. Whoever has it keeps what they have; whoever asks gets the newest that could be read.
pub struct Live<T> {
    /// The key of the configuration.
    key: &'static str,
    files: Vec<PathBuf>,
    read: Read<T>,
    current: ArcSwap<T>,
    /// Of the content that was looked at last, so that each change is spoken of once.
    seen: Mutex<u64>,
}

impl<T: Send + Sync> Live<T> {
    pub fn new(
        key: &'static str,
        files: Vec<PathBuf>,
        read: impl Fn(Option<&T>) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let seen = Mutex::new(fingerprint(&files));
        let current = ArcSwap::from_pointee(read(None)?);
        Ok(Live { key, files, read: Box::new(read), current, seen })
    }

    pub fn get(&self) -> Arc<T> {
        self.current.load_full()
    }
}

/// Something that follows files, whatever it makes of them.
pub trait Reload: Send + Sync {
    fn files(&self) -> &[PathBuf];

    /// Looks at the files again. If they are the same, nothing happens; if they cannot be used, all stays as it is.
    fn reload(&self);
}

impl<T: Send + Sync> Reload for Live<T> {
    fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn reload(&self) {
        let mut seen = self.seen.lock();
        let now = fingerprint(&self.files);
        if std::mem::replace(&mut *seen, now) == now {
            return;
        }
        match (self.read)(Some(&self.current.load())) {
            Ok(value) => {
                self.current.store(Arc::new(value));
                info!("{}: read anew and in force", self.key);
            }
            Err(error) => warn!("{}: what was read before stays in force: {error}", self.key),
        }
    }
}

/// Tells contents apart, those that cannot be read included.
fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).map_err(|error| error.kind()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_leaves_what_was_read_before() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_owned();
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write("1");
        let number = {
            let path = path.clone();
            move |before: Option<&u32>| {
                let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
                text.parse::<u32>().map(|it| it + before.map_or(0, |before| before * 10)).map_err(|e| e.to_string())
            }
        };
        let live = Live::new("key", vec![path.clone()], number).expect("a number");
        for (text, value) in [("1", 1), ("2", 12), ("x", 12), ("2", 122)] {
            write(text);
            live.reload();
            assert_eq!(*live.get(), value, "{text}");
        }
        drop(file);
        live.reload();
        assert_eq!(*live.get(), 122);
    }
}
