//! Keeps id tags and personal data from back ends.
//!
//! Uplink, each id tag is replaced by its pseudonym, a keyed hash, and the fields that the configuration names are
//! removed or masked. Downlink, pseudonyms are replaced by the tags that the charge point knows, as far as they are
//! remembered.
//!
//! | version | id tags |
//! |---|---|
//! | 1.6 | `idTag`, `parentIdTag`: an IdToken (OCPP 1.6, section 7.28), at any depth, as in SendLocalList.req |
//! | 2.0.1, 2.1 | `idToken` of an IdTokenType, under any name; `additionalIdToken` of an AdditionalInfoType |
//! | 2.1 | `idTokens` of a TariffAssignmentType; `prioritizedEMAIDs` of a Get15118EVCertificateRequest; `pspRef` of a NotifySettlementRequest, the `idToken` of a payment at a terminal |

pub mod config;
mod fields;
mod memory;
mod pseudonym;

use config::Config;
use fields::Fields;
use memory::Memory;
use ocpp_transform::{
    CallError, Downlink, Frame, FrameAction, FrameType, Peer, Transform, Uplink, export, metrics, read_config,
};
use ocpp_transform_json_tree::{ReadError, Tree};
use pseudonym::Pseudonyms;
use std::borrow::Cow;

/// The shortest key, in bytes: the size of an HMAC-SHA-256, which makes it strong (RFC 2104, section 3) if it is
/// random.
const MIN_KEY: usize = 32;

/// Replaces id tags, and removes and masks fields.
pub struct Redact {
    pseudonyms: Pseudonyms,
    /// `None`: pseudonyms from the back end are not translated back.
    memory: Option<Memory>,
    /// The names of members that hold id tags.
    id_tags: Vec<String>,
    remove: Fields,
    mask: Fields,
}

impl Transform for Redact {
    fn configure(config: &str) -> Result<Self, String> {
        Redact::new(read_config(config)?)
    }
}

impl Uplink for Redact {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let names = self.id_tags.iter().map(String::as_str).chain(self.remove.names()).chain(self.mask.names());
        if !may_have(&frame.payload, names) {
            return vec![FrameAction::Pass];
        }
        match self.redacted(&frame) {
            Ok(None) => vec![FrameAction::Pass],
            Ok(Some(payload)) => vec![FrameAction::Replace(Frame { payload, ..frame })],
            Err(error) => vec![refused(peer, &frame, &error)],
        }
    }
}

impl Downlink for Redact {
    fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let Some(memory) = &self.memory else {
            return vec![FrameAction::Pass];
        };
        if !may_have(&frame.payload, self.id_tags.iter().map(String::as_str)) {
            return vec![FrameAction::Pass];
        }
        // An unreadable payload from the back end contains nothing that must be hidden.
        match self.restored(memory, &frame) {
            Ok(Some(payload)) => vec![FrameAction::Replace(Frame { payload, ..frame })],
            Ok(None) | Err(_) => vec![FrameAction::Pass],
        }
    }
}

impl Redact {
    /// The error names the key of the configuration, and does not quote the secret.
    fn new(config: Config) -> Result<Self, String> {
        let Config { key, id_tags, restore, remember_s, remove, mask } = config;
        if key.len() < MIN_KEY {
            let length = key.len();
            return Err(format!("key: a secret of at least {MIN_KEY} bytes is needed; this one has {length}"));
        }
        if let Some(index) = id_tags.iter().position(String::is_empty) {
            return Err(format!("id_tags[{index}]: the name is empty"));
        }
        Ok(Redact {
            pseudonyms: Pseudonyms::new(&key).map_err(|fault| format!("key: {fault}"))?,
            memory: restore.then(|| Memory::new(remember_s)),
            id_tags,
            remove: Fields::parse(&remove).map_err(|fault| format!("remove{fault}"))?,
            mask: Fields::parse(&mask).map_err(|fault| format!("mask{fault}"))?,
        })
    }

    /// The payload as back ends may see it; `None`: unchanged.
    fn redacted(&self, frame: &Frame) -> Result<Option<String>, ReadError> {
        let mut tree = Tree::parse(&frame.payload)?;
        let action = frame.action.as_deref().unwrap_or_default();
        let removed = self.remove.remove_from(&mut tree, action);
        let mut hashed = 0;
        self.each_tag(&mut tree, |tag| {
            let pseudonym = self.pseudonym(tag)?;
            hashed += 1;
            Some(pseudonym)
        });
        let masked = self.mask.mask_in(&mut tree, action);
        count("tags_hashed", hashed);
        Ok((removed || masked || hashed > 0).then(|| tree.to_string()))
    }

    /// The payload as the charge point knows it; `None`: unchanged.
    fn restored(&self, memory: &Memory, frame: &Frame) -> Result<Option<String>, ReadError> {
        let mut tree = Tree::parse(&frame.payload)?;
        // The charge point will send the tags of a CALL itself. Those of a local list it sends only when a card is
        // shown, and they may be thousands.
        let will_return = frame.type_ == FrameType::Call && frame.action.as_deref() != Some("SendLocalList");
        let mut restored = 0;
        self.each_tag(&mut tree, |name| match memory.tag(name) {
            Some(tag) if !tag.eq_ignore_ascii_case(name) => {
                restored += 1;
                Some(tag)
            }
            None if !will_return => None,
            // A tag that the back end named itself: it keeps its current spelling, and is remembered from now on.
            _ => {
                memory.keep(name, name);
                None
            }
        });
        count("tags_restored", restored);
        Ok((restored > 0).then(|| tree.to_string()))
    }

    /// The pseudonym that the back end gets for a tag; `None`: it gets the tag, which it named itself.
    fn pseudonym(&self, tag: &str) -> Option<String> {
        let is_own = self.memory.as_ref().is_some_and(|memory| memory.is_own_name(tag));
        let pseudonym = (!is_own).then(|| self.pseudonyms.of(tag));
        if let Some(memory) = &self.memory {
            // In both cases the tag was seen, and is remembered from now on.
            memory.keep(pseudonym.as_deref().unwrap_or(tag), tag);
        }
        pseudonym
    }

    /// Replaces every id tag by the result of `edit`. A number is taken for a tag without quotes; an empty string,
    /// which goes with the type `NoAuthorization`, is not a tag.
    fn each_tag(&self, tree: &mut Tree<'_>, mut edit: impl FnMut(&str) -> Option<String>) {
        fields::each_scalar(tree, &|name| self.id_tags.iter().any(|tag| tag == name), &mut |value| {
            let tag = value.as_str().or_else(|| value.as_number().map(Cow::Borrowed));
            let replacement = tag.filter(|tag| !tag.is_empty()).and_then(|tag| edit(&tag));
            if let Some(replacement) = replacement {
                *value = Tree::string(&replacement);
            }
        });
    }
}

/// Refuses an unreadable payload, which cannot be redacted. The side that waits gets an error: the charge point, or the
/// back end as an answer.
fn refused(peer: &Peer, frame: &Frame, error: &ReadError) -> FrameAction {
    match frame.type_ {
        FrameType::Call | FrameType::CallResult | FrameType::CallError => {
            FrameAction::Reject(CallError::malformed(peer, error.to_string()))
        }
        FrameType::CallResultError | FrameType::Send => FrameAction::Drop(error.to_string()),
    }
}

/// Whether a payload may have a member with one of the names: most do not, and are not parsed. With a backslash, a name
/// can be spelled in many ways.
fn may_have<'a>(payload: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| payload.contains(name)) || payload.contains('\\')
}

fn count(name: &str, by: u32) {
    if by > 0 {
        metrics::count(name, by, &vec![]);
    }
}

export!(Redact: Uplink, Downlink);

#[cfg(test)]
mod tests;
