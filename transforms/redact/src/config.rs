//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use crate::Redact;
use crate::fields::Fields;
use crate::memory::Memory;
use crate::pseudonym::Pseudonyms;
use serde::Deserialize;

/// As long as what HMAC-SHA-256 makes of it is strong (RFC 2104, section 3), if it is random.
const SHORTEST_KEY: usize = 32;

/// All settings. Not printable: it holds the key.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The secret that pseudonyms are made with, at least 32 bytes. The one setting without a default.
    pub key: String,
    /// The names of members that hold id tags.
    pub id_tags: Vec<String>,
    /// Whether what the back end says is translated back.
    pub restore: bool,
    /// For how many seconds a tag is remembered after it was last seen. 0: for ever.
    pub remember_s: u32,
    /// Members to remove: `name`, or `Action.name`.
    pub remove: Vec<String>,
    /// Members whose values are to be masked: `name`, or `Action.name`.
    pub mask: Vec<String>,
}

/// What the schemas of 1.6, 2.0.1 and 2.1 call members that hold an id tag, or a list of some.
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

impl Config {
    /// The error names the key, and never quotes the secret.
    pub(crate) fn compile(self) -> Result<Redact, String> {
        if self.key.len() < SHORTEST_KEY {
            let length = self.key.len();
            return Err(format!("key: a secret of at least {SHORTEST_KEY} bytes is needed; this one has {length}"));
        }
        if let Some(index) = self.id_tags.iter().position(String::is_empty) {
            return Err(format!("id_tags[{index}]: the name is empty"));
        }
        Ok(Redact {
            pseudonyms: Pseudonyms::new(&self.key).map_err(|fault| format!("key: {fault}"))?,
            memory: self.restore.then(|| Memory::new(self.remember_s)),
            id_tags: self.id_tags,
            remove: Fields::parse(&self.remove).map_err(|fault| format!("remove{fault}"))?,
            mask: Fields::parse(&self.mask).map_err(|fault| format!("mask{fault}"))?,
        })
    }
}
