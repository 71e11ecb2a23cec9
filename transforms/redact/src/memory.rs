//! The names by which the back end knows tags, kept in the gateway's state for all charge points, as a card is used at
//! many.
//!
//! There are two kinds of names. A pseudonym leads to the tag that it was made from. A tag that the back end named
//! itself, for example in a RemoteStartTransaction, leads to itself: the charge point will send it back, and the back
//! end must recognize its own tag, which need not be hidden from it.

use ocpp_transform::log::{Level, log};
use ocpp_transform::state;

pub(crate) struct Memory {
    ttl_s: Option<u32>,
}

impl Memory {
    /// `seconds`: how long a name is kept after its tag was last seen. 0: for ever.
    pub(crate) fn new(seconds: u32) -> Self {
        Memory { ttl_s: (seconds > 0).then_some(seconds) }
    }

    /// The tag that the back end means by this name.
    pub(crate) fn tag(&self, name: &str) -> Option<String> {
        String::from_utf8(state::get(&key(name))?).ok()
    }

    /// Whether the back end knows this tag by the tag itself.
    pub(crate) fn is_own_name(&self, tag: &str) -> bool {
        self.tag(tag).is_some_and(|own| own.eq_ignore_ascii_case(tag))
    }

    pub(crate) fn keep(&self, name: &str, tag: &str) {
        if let Err(error) = state::set(&key(name), tag.as_bytes(), self.ttl_s) {
            let error = format!("{error:?}");
            log(Level::Warn, "the state cannot remember an id tag: the back end cannot use it", &[("error", &error)]);
        }
    }
}

/// The key of a name in the state. Back ends may change the case of a tag, which has no meaning in OCPP.
fn key(name: &str) -> String {
    format!("tag/{}", name.to_ascii_uppercase())
}
