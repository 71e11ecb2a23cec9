//! The files of one drop-in: `NN-name.jq` or `NN-name.wasm`, with or without `NN-name.toml`; or that alone.

use super::written::BeingWritten;
use crate::config::{self, TransformConfig};
use crate::transforms::limits::MAX_COMPONENT_SIZE;
use crate::transforms::trust::TrustedKeys;
use ocpp_gateway_pipeline::{OnError, Verify};
use serde::Deserialize as _;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The largest component, in bytes: that of an upload.
const MAX_COMPONENT: u64 = MAX_COMPONENT_SIZE as u64;
/// The largest program and the largest configuration, in bytes.
const MAX_TEXT: u64 = 1 << 20;

/// What a file is, by its extension. Those with code come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A program for `builtin:jq`.
    Jq,
    /// A component.
    Wasm,
    /// The keys of a `[[transforms]]` entry.
    Toml,
}

impl Kind {
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        [Kind::Jq, Kind::Wasm, Kind::Toml].into_iter().find(|kind| kind.extension() == extension)
    }

    fn extension(self) -> &'static str {
        match self {
            Kind::Jq => "jq",
            Kind::Wasm => "wasm",
            Kind::Toml => "toml",
        }
    }

    pub(super) fn file_name(self, stem: &str) -> String {
        format!("{stem}.{}", self.extension())
    }
}

/// `quirk` of `10-quirk`.
pub(super) fn transform_name(stem: &str) -> Option<&str> {
    let (digits, name) = stem.split_once('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some(name).filter(|name| is_number && !name.is_empty() && !stem.contains(char::REPLACEMENT_CHARACTER))
}

/// Tells whether the content of files has changed. Other times, owners or inodes are no change: a ConfigMap has new
/// files whenever one of them changes.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// Identity, length and times of each file: while they are the same, it need not be read.
    stamps: Vec<Option<[i64; 7]>>,
    /// Of all files, with their number and lengths.
    digest: [u8; 32],
}

impl Content {
    /// `before`: what was there when the files were last read.
    fn of(paths: &[PathBuf], before: Option<&Content>) -> Self {
        let stamps: Vec<_> = paths.iter().map(|path| stamp(path)).collect();
        if let Some(before) = before.filter(|before| before.stamps == stamps) {
            return before.clone();
        }
        let mut digest = Sha256::new();
        for (path, stamp) in paths.iter().zip(&stamps) {
            // The name counts as well: a file may have been renamed.
            digest.update(path.as_os_str().as_encoded_bytes());
            digest.update([0, u8::from(stamp.is_some())]);
            match is_acceptable(path).then(|| fs::read(path)) {
                None => digest.update(format!("{stamp:?}")),
                Some(Ok(content)) => digest.update(Sha256::digest(content)),
                Some(Err(_)) => digest.update([0]),
            }
        }
        Content { stamps, digest: digest.finalize().into() }
    }

    pub(super) fn is_same(&self, other: &Content) -> bool {
        self.digest == other.digest
    }
}

fn stamp(path: &Path) -> Option<[i64; 7]> {
    let metadata = fs::metadata(path).ok()?;
    let (device, inode, length) = (metadata.dev() as i64, metadata.ino() as i64, metadata.len() as i64);
    let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
    Some([device, inode, length, times.0, times.1, times.2, times.3])
}

/// Whether reading the file ends.
fn is_acceptable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_COMPONENT)
}

/// The files of one drop-in.
pub(super) struct DropInFiles<'a> {
    /// Canonical.
    pub(super) directory: &'a Path,
    pub(super) stem: &'a str,
    pub(super) kinds: &'a BTreeSet<Kind>,
    pub(super) trusted: &'a TrustedKeys,
}

/// What is in these files.
pub(super) struct ReadFiles {
    pub(super) content: Content,
    /// Files that a `.toml` names, besides those of this name; with their signatures.
    pub(super) named: Vec<PathBuf>,
    /// The transform, or what is wrong with the files.
    pub(super) transform: Result<Box<TransformConfig>, String>,
    /// The one of the transform, as far as it can be read.
    pub(super) on_error: OnError,
}

impl DropInFiles<'_> {
    fn path(&self, kind: Kind) -> PathBuf {
        self.directory.join(kind.file_name(self.stem))
    }

    pub(super) fn are_among(&self, files: &BeingWritten) -> bool {
        let is_among =
            |path: PathBuf| files.contains(&path) || fs::canonicalize(path).is_ok_and(|path| files.contains(&path));
        let own: Vec<PathBuf> = self.kinds.iter().map(|kind| self.path(*kind)).collect();
        self.with_signatures(own).into_iter().any(is_among)
    }

    /// These files and their signatures, if they need any: a signature that changes is a change of its file.
    fn with_signatures(&self, mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let signatures: Vec<PathBuf> = paths.iter().filter_map(|path| self.trusted.signature_file(path)).collect();
        paths.extend(signatures);
        paths
    }

    /// `before`: their content when they were last read.
    pub(super) fn read(&self, before: Option<&Content>) -> ReadFiles {
        let mut on_error = OnError::default();
        let transform = self.transform(&mut on_error);
        let named = transform.as_ref().map(|transform| self.named(transform)).unwrap_or_default();
        let transform = transform.and_then(|transform| {
            named
                .iter()
                .try_for_each(|path| check(path, MAX_COMPONENT).map_err(|problem| self.in_settings(path, &problem)))?;
            Ok(Box::new(transform))
        });
        let named = self.with_signatures(named);
        let own = self.with_signatures(self.kinds.iter().map(|kind| self.path(*kind)).collect());
        let paths: Vec<PathBuf> = own.into_iter().chain(named.iter().cloned()).collect();
        ReadFiles { content: Content::of(&paths, before), named, transform, on_error }
    }

    /// The component or program that a `.toml` names.
    fn named(&self, transform: &TransformConfig) -> Vec<PathBuf> {
        let named = [transform.component_file(), transform.program_file()].into_iter().flatten().map(Path::to_owned);
        named.filter(|path| self.kinds.iter().all(|kind| self.path(*kind) != *path)).collect()
    }

    fn in_settings(&self, path: &Path, problem: &str) -> String {
        format!("{}: {}: {problem}", Kind::Toml.file_name(self.stem), path.display())
    }

    fn transform(&self, on_error: &mut OnError) -> Result<TransformConfig, String> {
        let settings = self.kinds.contains(&Kind::Toml).then(|| self.text(Kind::Toml)).transpose();
        if let Ok(Some(text)) = &settings {
            *on_error = on_error_of(text);
        }
        let name = transform_name(self.stem).ok_or_else(|| self.bad_name())?;
        if config::RESERVED_NAMES.contains(&name) {
            return Err(format!("{}: {name:?} is the name of a page of the API: take another", self.stem));
        }
        for kind in self.kinds {
            self.check(*kind)?;
        }
        let component = match (self.kinds.contains(&Kind::Jq), self.kinds.contains(&Kind::Wasm)) {
            (true, true) => {
                let (one, other) = (Kind::Jq.file_name(self.stem), Kind::Wasm.file_name(self.stem));
                return Err(format!("{one}: {other} has this name already; give one of them another"));
            }
            (true, false) => Some(config::JQ.to_owned()),
            (false, true) => Some(self.path(Kind::Wasm).display().to_string()),
            (false, false) => None,
        };
        let mut transform = match (settings?, component) {
            (None, component) => {
                let component = component.unwrap_or_default();
                TransformConfig { name: name.to_owned(), component, ..TransformConfig::default() }
            }
            (Some(text), component) => {
                let file = self.path(Kind::Toml);
                let read = config::read_transform(&file, &text, name, component.as_deref());
                let directory = format!("{}/", self.directory.display());
                let transform = read.map_err(|faults| faults.to_string().replace(&directory, ""))?;
                // The program in it is code, also if an upload makes it one of jq. The signature of a file beside it is
                // checked when that is loaded.
                if transform.config.contains_key("program") {
                    let untrusted = |reason: String| format!("{}: {reason}", Kind::Toml.file_name(self.stem));
                    Verify::verify(self.trusted, &file, text.as_bytes()).map_err(untrusted)?;
                }
                transform
            }
        };
        if self.kinds.contains(&Kind::Jq) {
            let program = self.path(Kind::Jq).display().to_string();
            if let Some(key) = ["program", "file"].into_iter().find(|key| transform.config.contains_key(*key)) {
                let settings = Kind::Toml.file_name(self.stem);
                return Err(format!("{settings}: config.{key}: contradicts {}", Kind::Jq.file_name(self.stem)));
            }
            transform.config.insert("file".into(), program.into());
        }
        Ok(transform)
    }

    fn bad_name(&self) -> String {
        let Some(kind) = self.kinds.first() else { return String::new() };
        let name = self.stem.trim_start_matches(|character: char| character.is_ascii_digit() || character == '-');
        let name = kind.file_name(if name.is_empty() { "quirk" } else { name });
        let file = kind.file_name(self.stem);
        format!("{file}: its name has to be digits, a hyphen and the name of the transform, such as 10-{name}")
    }

    /// Finds out what is wrong with a file, without reading it.
    fn check(&self, kind: Kind) -> Result<(), String> {
        let fault = |problem: String| format!("{}: {problem}", kind.file_name(self.stem));
        let target = fs::canonicalize(self.path(kind)).map_err(|error| fault(error.to_string()))?;
        if !target.starts_with(self.directory) {
            return Err(fault(format!("it links out of the directory, to {}", target.display())));
        }
        let limit = if kind == Kind::Wasm { MAX_COMPONENT } else { MAX_TEXT };
        check(&target, limit).map_err(fault)
    }

    fn text(&self, kind: Kind) -> Result<String, String> {
        self.check(kind)?;
        fs::read_to_string(self.path(kind)).map_err(|error| format!("{}: {error}", kind.file_name(self.stem)))
    }
}

fn check(path: &Path, limit: u64) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    match metadata.len() {
        _ if metadata.is_dir() => Err("it is a directory".into()),
        _ if !metadata.is_file() => Err("it is not a regular file".into()),
        0 if path.extension().is_none_or(|extension| extension != "toml") => Err("it is empty".into()),
        length if length > limit => Err(format!("it has {length} bytes, where {limit} are allowed")),
        _ => Ok(()),
    }
}

/// `on_error` of a configuration, even if something else in it is wrong.
fn on_error_of(text: &str) -> OnError {
    let value = text.parse::<toml::Table>().ok().and_then(|table| table.get("on_error").cloned());
    value.and_then(|value| OnError::deserialize(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_what_follows_digits_and_a_hyphen() {
        assert_eq!(transform_name("10-quirk"), Some("quirk"));
        assert_eq!(transform_name("007-two-words.v2"), Some("two-words.v2"));
        for stem in ["quirk", "10", "10-", "-quirk", "x10-quirk", "10 -quirk", "10-\u{fffd}"] {
            assert_eq!(transform_name(stem), None, "{stem}");
        }
    }

    #[test]
    fn on_error_is_found_beside_a_fault() {
        assert_eq!(on_error_of("on_error = \"bypass\"\nlimts = 1"), OnError::Bypass);
        assert_eq!(on_error_of("on_error = \"bypass"), OnError::default());
        assert_eq!(on_error_of("on_error = 1"), OnError::default());
    }
}
