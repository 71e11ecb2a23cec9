//! Which versions of which transforms are stored.

use super::code::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The form of the index that this program writes. One with a higher number is of a newer program.
pub(super) const FORMAT: u32 = 1;
/// Versions of one transform that are kept.
const MAX_VERSIONS: usize = 10;

/// All that is stored, except the bytes of components and programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::transforms) struct Index {
    pub(super) format: u32,
    /// The order of the transforms that was asked for; empty: that of the configuration, and after it what was added.
    #[serde(default)]
    pub(in crate::transforms) order: Vec<String>,
    #[serde(default)]
    pub(in crate::transforms) transforms: BTreeMap<String, StoredTransform>,
    /// The copies of components from elsewhere, by the address in the configuration.
    #[serde(default)]
    pub(in crate::transforms) sources: BTreeMap<String, StoredSource>,
    /// The trials that run, by the name of the transform.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::transforms) trials: BTreeMap<String, StoredTrial>,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            format: FORMAT,
            order: Vec::new(),
            transforms: BTreeMap::new(),
            sources: BTreeMap::new(),
            trials: BTreeMap::new(),
        }
    }
}

/// One transform: what was uploaded for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::transforms) struct StoredTransform {
    /// Whether it was added, and is not a transform of the configuration or of the drop-in directory.
    pub(in crate::transforms) is_added: bool,
    /// The number of the version that runs; absent: what the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) running: Option<u64>,
    /// The oldest first, at most [`MAX_VERSIONS`].
    pub(in crate::transforms) versions: Vec<StoredVersion>,
}

/// One version of a transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::transforms) struct StoredVersion {
    /// From 1; no two versions of a transform have the same.
    pub(in crate::transforms) number: u64,
    /// When it was put in place (RFC 3339).
    pub(in crate::transforms) at: String,
    #[serde(flatten)]
    pub(in crate::transforms) sender: Sender,
    /// The keys of a `[[transforms]]` entry that differ from the configuration, without component and program if these
    /// were uploaded.
    pub(in crate::transforms) settings: Map<String, Value>,
    /// The component or the program that was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) code: Option<Code>,
    /// What the configuration calls the component.
    pub(in crate::transforms) component: String,
    /// SHA-256 of the component: 64 hex digits.
    pub(in crate::transforms) sha256: String,
    /// SHA-256 of the file of its program, if there is one: 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) program_sha256: Option<String>,
    /// Why it was rolled back automatically, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) fault: Option<String>,
}

/// A version on trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::transforms) struct StoredTrial {
    /// The name of its mode.
    pub(in crate::transforms) mode: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) percent: Option<u8>,
    /// A glob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) charge_points: Option<String>,
    /// How many of the charge points that were connected at the start take part, and how many do not.
    pub(in crate::transforms) connected: (usize, usize),
    /// The candidate. Its number is not used.
    pub(in crate::transforms) version: StoredVersion,
    /// SHA-256 of the component that it is compared with: 64 hex digits.
    pub(in crate::transforms) live_sha256: String,
    /// SHA-256 of the file of its program, if there is one: 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::transforms) live_program_sha256: Option<String>,
}

/// Who has sent a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    /// The address with its port.
    pub from: String,
    /// The name of the token, if one was needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The copy of a component from elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::transforms) struct StoredSource {
    pub(in crate::transforms) code: Code,
    /// When it was fetched (RFC 3339).
    pub(in crate::transforms) fetched_at: String,
}

impl Index {
    /// The version of the transform that runs in place of what the configuration says.
    pub(in crate::transforms) fn running(&self, name: &str) -> Option<&StoredVersion> {
        let stored = self.transforms.get(name)?;
        stored.version(stored.running?)
    }

    /// The transforms that were added, with the version that runs.
    pub(in crate::transforms) fn added(&self) -> impl Iterator<Item = (&str, &StoredVersion)> {
        let added = self.transforms.iter().filter(|(_, stored)| stored.is_added);
        added.filter_map(|(name, stored)| Some((name.as_str(), stored.version(stored.running?)?)))
    }

    /// The files of all versions and copies.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let versions = self.transforms.values().flat_map(|stored| &stored.versions);
        let versions = versions.chain(self.trials.values().map(|trial| &trial.version));
        let codes = versions.filter_map(|version| version.code.as_ref());
        codes.chain(self.sources.values().map(|source| &source.code)).map(Code::file_name).collect()
    }
}

impl StoredVersion {
    /// Which one it is, for the log.
    pub(in crate::transforms) fn sent(&self) -> String {
        format!("version {}, which {} has sent at {}", self.number, self.sender.from, self.at)
    }
}

impl StoredTransform {
    pub(in crate::transforms) fn version(&self, number: u64) -> Option<&StoredVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The number of the next version.
    pub(in crate::transforms) fn next_number(&self) -> u64 {
        self.versions.iter().map(|version| version.number).max().unwrap_or_default() + 1
    }

    /// Adds a version, which runs from now on. The oldest one goes if there are too many, but not the one that ran
    /// before: a rollback returns to it.
    pub(super) fn add(&mut self, version: StoredVersion) {
        let before = self.running.replace(version.number);
        self.versions.push(version);
        while self.versions.len() > MAX_VERSIONS {
            let oldest = self.versions.iter().position(|version| Some(version.number) != before);
            self.versions.remove(oldest.unwrap_or_default());
        }
    }
}
