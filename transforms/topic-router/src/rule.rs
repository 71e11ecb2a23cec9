//! Which charge points a prefix is for.

use ocpp_transform::Peer;
use wildmatch::WildMatch;

/// A rule of the configuration, compiled.
pub(crate) struct Rule {
    /// One of them must match the identity; empty: any identity.
    pub(crate) charge_points: Vec<WildMatch>,
    /// Names of attributes, with globs for their values. All must match.
    pub(crate) attributes: Vec<(String, WildMatch)>,
    pub(crate) prefix: String,
}

impl Rule {
    pub(crate) fn matches(&self, peer: &Peer) -> bool {
        let identity = self.charge_points.is_empty() || self.charge_points.iter().any(|glob| glob.matches(&peer.id));
        identity && self.attributes.iter().all(|(name, glob)| has_attribute(peer, name, glob))
    }
}

fn has_attribute(peer: &Peer, wanted: &str, glob: &WildMatch) -> bool {
    peer.attributes.iter().any(|(name, value)| name == wanted && glob.matches(value))
}
