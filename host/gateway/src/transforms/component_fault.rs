//! Why components of the configuration cannot be used, with the keys to mend.

use crate::config::{self, Config};
use ocpp_gateway_pipeline::{LoadError, LoadFault};

/// All faults of the configured components.
#[derive(Debug, thiserror::Error)]
#[error("{}", config::lines(.0))]
pub struct ComponentFaults(pub Vec<ComponentFault>);

/// One of them, in a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComponentFault(pub(super) String);

impl ComponentFault {
    pub(super) fn new(error: &LoadError, config: &Config) -> Self {
        let key = match &error.fault {
            LoadFault::Config(reason) => key_of(&error.transform, reason, config),
            _ => None,
        };
        ComponentFault(key.map_or_else(|| error.to_string(), |key| format!("{key}: {error}")))
    }
}

/// The key that a component refuses: by the SDK's convention its reason begins with the path below
/// `[transforms.config]`.
fn key_of(transform: &str, reason: &str, config: &Config) -> Option<String> {
    let place = config.transforms.iter().position(|configured| configured.name == transform)?;
    let settings = &config.transforms[place].config;
    let path = reason.split_once(": ").map(|(path, _)| path).filter(|path| {
        let mut levels = path.split('.');
        let first = levels.next().and_then(|level| settings.get(level));
        levels.fold(first, |value, level| value?.get(level)).is_some()
    });
    let below = path.map(|path| format!(".{path}")).unwrap_or_default();
    Some(format!("transforms[{place}].config{below}"))
}
