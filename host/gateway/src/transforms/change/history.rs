//! The versions of a transform, for people.

use crate::config::Config;
use crate::transforms::effective::{self, DEFAULT_MAPPING};
use crate::transforms::store::{Code, CodeKind, Index, Sender, Store, StoredTransform, StoredVersion};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fs;

/// Where a transform comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Configuration,
    DropIn,
    /// Added over the API.
    Api,
    /// The mapping that the gateway adds if no transform maps.
    Default,
}

impl Origin {
    pub(super) fn of(name: &str, config: &Config, index: &Index) -> Self {
        if effective::configured(name, config).is_some() {
            Origin::Configuration
        } else if index.transforms.get(name).is_some_and(|stored| stored.is_added && stored.running.is_some()) {
            Origin::Api
        } else if name == DEFAULT_MAPPING {
            Origin::Default
        } else {
            Origin::DropIn
        }
    }
}

/// What is stored for a transform.
#[derive(Debug, Clone)]
pub struct History {
    pub origin: Origin,
    /// The version that runs in place of what the configuration says.
    pub upload: Option<VersionSummary>,
    /// The newest first.
    pub versions: Vec<VersionSummary>,
}

/// One version.
#[derive(Debug, Clone, Serialize)]
pub struct VersionSummary {
    pub number: u64,
    pub running: bool,
    pub at: String,
    /// The address of the sender.
    pub from: String,
    /// The name of the token of the sender.
    pub token: Option<String>,
    pub component: String,
    pub sha256: String,
    pub program_sha256: Option<String>,
    /// Why it was rolled back automatically, if so.
    pub fault: Option<String>,
}

impl VersionSummary {
    fn of(version: &StoredVersion, running: Option<u64>) -> Self {
        let StoredVersion { number, at, sender: Sender { from, token }, component, .. } = version.clone();
        VersionSummary {
            number,
            running: running == Some(number),
            at,
            from,
            token,
            component,
            sha256: version.sha256.clone(),
            program_sha256: version.program_sha256.clone(),
            fault: version.fault.clone(),
        }
    }
}

impl History {
    pub(super) fn of(origin: Origin, stored: Option<&StoredTransform>) -> Self {
        let running = stored.and_then(|stored| stored.running);
        let versions = stored.into_iter().flat_map(|stored| stored.versions.iter().rev());
        let versions: Vec<_> = versions.map(|version| VersionSummary::of(version, running)).collect();
        let upload = versions.iter().find(|version| version.running).cloned();
        History { origin, upload, versions }
    }
}

/// The settings with the program that was sent with them.
pub(super) fn with_program(settings: &mut Map<String, Value>, code: &Code, store: &Store) {
    if code.kind == CodeKind::Program
        && let Some(program) = store.path(code).and_then(|path| fs::read_to_string(path).ok())
        && let Some(config) = settings.get_mut("config").and_then(Value::as_object_mut)
    {
        config.remove("file");
        config.insert("program".into(), program.into());
    }
}
