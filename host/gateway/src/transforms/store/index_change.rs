//! Changes of the index.

use super::index::{Index, StoredVersion};
use ocpp_gateway_pipeline::{TransformChange, TransformStatus, TransformVersion};

/// A change of the index. It is worked out before a transform is loaded and made after that, on an index in which a
/// rollback may have changed something else meanwhile.
#[derive(Debug, Clone)]
pub(in crate::transforms) enum IndexChange {
    /// The version runs from now on.
    Add {
        name: String,
        version: Box<StoredVersion>,
        /// Whether the transform is in neither the configuration nor the drop-in directory.
        is_added: bool,
        /// The order from now on, if it changes.
        order: Option<Vec<String>>,
    },
    /// A stored version runs again; `None`: what the configuration says.
    Run {
        name: String,
        number: Option<u64>,
    },
    /// The transform and its history are gone.
    Remove {
        name: String,
    },
    Order(Vec<String>),
    Nothing,
}

impl IndexChange {
    pub(in crate::transforms) fn apply(self, index: &mut Index) {
        match self {
            IndexChange::Add { name, version, is_added, order } => {
                let stored = index.transforms.entry(name).or_default();
                stored.is_added = is_added;
                stored.add(*version);
                index.order = order.unwrap_or_else(|| std::mem::take(&mut index.order));
            }
            IndexChange::Run { name, number } => {
                if let Some(stored) = index.transforms.get_mut(&name) {
                    stored.running = number;
                }
            }
            IndexChange::Remove { name } => {
                index.transforms.remove(&name);
                index.order.retain(|other| *other != name);
            }
            IndexChange::Order(order) => index.order = order,
            IndexChange::Nothing => {}
        }
    }

    /// The index after the change.
    pub(in crate::transforms) fn applied_to(&self, index: &Index) -> Index {
        let mut index = index.clone();
        self.clone().apply(&mut index);
        index
    }

    /// Adds what the version turned out to be when it was loaded.
    /// `running`: what ran before, and still does if there is no change.
    pub(in crate::transforms) fn describe(&mut self, changes: &[TransformChange], running: Option<&TransformStatus>) {
        let IndexChange::Add { name, version, .. } = self else { return };
        let loaded = changes.iter().find(|change| change.name == *name).and_then(|change| change.now.clone());
        if let Some(TransformVersion { component, sha256, program_sha256, .. }) = loaded {
            (version.component, version.sha256, version.program_sha256) = (component, sha256, program_sha256);
        } else if let Some(TransformStatus { component, sha256, program_sha256, .. }) = running.cloned() {
            (version.component, version.sha256, version.program_sha256) = (component, sha256, program_sha256);
        }
    }
}
