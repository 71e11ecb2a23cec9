//! Fixtures for `transform test` of what transforms did.

use super::progress::counted;
use crate::ctl::error::CtlError;
use crate::recording::{RecordedMessage, Step};
use crate::transforms::fixture::RecordedCase;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The most files of a run. Charge points choose the names of actions, and so the number of kinds.
const MAX_FILES: u64 = 10_000;
/// The longest part of a file's name that is an action, in bytes.
const MAX_ACTION: usize = 40;
/// What a folder is not named with.
const NOT_IN_FOLDER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Writes a file for each call of a transform, up to a number for each kind.
pub(super) struct FixtureWriter {
    dir: PathBuf,
    per_kind: u64,
    /// How many there are of each kind: the path without number.
    kinds: HashMap<PathBuf, u64>,
    written: u64,
    failed: u64,
    left_out: u64,
}

impl FixtureWriter {
    pub(super) fn new(dir: &Path, per_kind: u64) -> Result<Self, CtlError> {
        fs::create_dir_all(dir).map_err(|error| CtlError::File { path: dir.to_owned(), error })?;
        let kinds = HashMap::new();
        Ok(FixtureWriter { dir: dir.to_owned(), per_kind, kinds, written: 0, failed: 0, left_out: 0 })
    }

    pub(super) fn write(&mut self, message: &RecordedMessage) -> Result<(), CtlError> {
        message.steps.iter().flatten().try_for_each(|step| self.write_step(message, step))
    }

    fn write_step(&mut self, message: &RecordedMessage, step: &Step) -> Result<(), CtlError> {
        if step.failure.is_some() {
            self.failed += 1;
            return Ok(());
        }
        let Some(hook) = RecordedCase::hook(step) else {
            self.left_out += 1;
            return Ok(());
        };
        let kind = self.dir.join(folder(&step.transform)).join(stem(hook, message));
        let number = self.kinds.get(&kind).copied().unwrap_or_default();
        if number >= self.per_kind {
            return Ok(());
        }
        let case = RecordedCase::new(message, step).filter(|_| self.written < MAX_FILES);
        let Some(case) = case else {
            self.left_out += 1;
            return Ok(());
        };
        create(&kind, case.text())?;
        self.written += 1;
        self.kinds.insert(kind, number + 1);
        Ok(())
    }

    /// How many files there are, and what they are not made of.
    pub(super) fn summary(&self) -> String {
        let mut summary = format!("{} in {}", counted(self.written, "fixture"), self.dir.display());
        if self.failed > 0 {
            summary += &format!("; not of {} that failed", counted(self.failed, "call"));
        }
        if self.left_out > 0 {
            let calls = counted(self.left_out, "call");
            summary += &format!("; not of {calls} with content that no fixture can have, or beyond {MAX_FILES} files");
        }
        summary
    }
}

/// Writes a new file: the first of these names that is free.
fn create(kind: &Path, text: &str) -> Result<(), CtlError> {
    let failed = |path: &Path, error: io::Error| CtlError::File { path: path.to_owned(), error };
    let folder = kind.parent().unwrap_or(kind);
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut number = 1_u64;
    let (path, mut file) = loop {
        let mut name = kind.as_os_str().to_owned();
        name.push(format!("-{number}.toml"));
        let path = PathBuf::from(name);
        match File::create_new(&path) {
            Ok(file) => break (path, file),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    };
    file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))
}

/// The folder of a transform. Names that are of use elsewhere, such as `a/b` or `..`, are encoded.
fn folder(transform: &str) -> String {
    let name = utf8_percent_encode(transform, NOT_IN_FOLDER).to_string();
    match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => name,
    }
}

/// `uplink-call-heartbeat`
fn stem(hook: &str, message: &RecordedMessage) -> String {
    let message_type = message.message_type.as_deref().map(words);
    let action = message.action.as_deref().map(|action| {
        let mut action = words(action);
        action.truncate(MAX_ACTION);
        action
    });
    let parts = [message_type, action].into_iter().flatten().filter(|part| !part.is_empty());
    [hook.to_owned()].into_iter().chain(parts).collect::<Vec<_>>().join("-")
}

/// `StatusNotification` as `status-notification`: lower-case letters, digits and single hyphens.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut is_after_lower = false;
    for character in name.chars() {
        let is_word = character.is_ascii_alphanumeric();
        if (!is_word || (is_after_lower && character.is_ascii_uppercase())) && !words.ends_with('-') {
            words.push('-');
        }
        if is_word {
            words.push(character.to_ascii_lowercase());
        }
        is_after_lower = is_word && !character.is_ascii_uppercase();
    }
    words.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folder() {
        let folders = ["standard", "my-quirk_1.2", "a/b", "..", ".x", "ü"].map(folder);
        assert_eq!(folders, ["standard", "my-quirk_1.2", "a%2Fb", "%2E.", "%2Ex", "%C3%BC"]);
        let names = ["CALLRESULT", "StatusNotification", "Get15118EVCertificate", "../a b", "SetDERControl"].map(words);
        assert_eq!(names, ["callresult", "status-notification", "get15118-evcertificate", "a-b", "set-dercontrol"]);
    }
}
