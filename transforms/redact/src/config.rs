//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use serde::Deserialize;

/// All settings. Not printable: it holds the key.
#[derive(PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The secret that pseudonyms are made with, at least 32 bytes. The one setting without a default.
    pub key: String,
    /// The names of members that hold id tags.
    pub id_tags: Vec<String>,
    /// Whether pseudonyms from the back end are translated back to tags.
    pub restore: bool,
    /// For how many seconds a tag is remembered after it was last seen. 0: for ever.
    pub remember_s: u32,
    /// Members to remove: `name`, or `Action.name`.
    pub remove: Vec<String>,
    /// Members whose values are to be masked: `name`, or `Action.name`.
    pub mask: Vec<String>,
}

/// The members that have an id tag, or a list of id tags, in the schemas of 1.6, 2.0.1 and 2.1.
const ID_TAGS: [&str; 7] =
    ["idTag", "parentIdTag", "idToken", "additionalIdToken", "idTokens", "prioritizedEMAIDs", "pspRef"];

impl Default for Config {
    fn default() -> Self {
        Config {
            key: String::new(),
            id_tags: ID_TAGS.map(str::to_owned).into(),
            restore: true,
            remember_s: 30 * 24 * 3600,
            remove: vec![],
            mask: vec!["NotifyCustomerInformation.data".into()],
        }
    }
}
