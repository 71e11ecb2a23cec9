//! Which messages a transform is called for; the others cost it nothing.

use ocpp_gateway_core::{Direction, Identity, Peer, Version};
use wildmatch::WildMatch;

/// `match` in the configuration. An empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// Globs: `*` stands for any text, `?` for any one character.
    pub charge_points: Vec<String>,
    pub versions: Vec<Version>,
    /// Actions of frames. A message from a back end has no action before it is mapped, so `inbound` is called for all
    /// of them.
    pub actions: Vec<String>,
    pub directions: Vec<Direction>,
}

/// [`Matching`] with its globs compiled.
pub(crate) struct Matcher {
    conditions: Matching,
    /// The conditions on charge points.
    charge_points: Vec<Glob>,
}

impl Matcher {
    pub(crate) fn new(matching: &Matching) -> Self {
        Matcher {
            conditions: matching.clone(),
            charge_points: matching.charge_points.iter().map(|glob| Glob::new(glob)).collect(),
        }
    }

    pub(crate) fn conditions(&self) -> &Matching {
        &self.conditions
    }

    pub(crate) fn matches_identity(&self, identity: &Identity) -> bool {
        self.charge_points.is_empty() || self.charge_points.iter().any(|glob| glob.matches(identity.as_str()))
    }

    pub(crate) fn matches_peer(&self, peer: &Peer) -> bool {
        self.matches_identity(&peer.identity)
            && (self.conditions.versions.is_empty() || self.conditions.versions.contains(&peer.version))
    }

    pub(crate) fn matches_direction(&self, direction: Direction) -> bool {
        self.conditions.directions.is_empty() || self.conditions.directions.contains(&direction)
    }

    /// `action`: `None` if it is not known, which matches.
    pub(crate) fn matches(&self, peer: &Peer, action: Option<&str>) -> bool {
        let actions = &self.conditions.actions;
        let matches_action = |action: &str| actions.is_empty() || actions.iter().any(|wanted| wanted == action);
        action.is_none_or(matches_action) && self.matches_peer(peer)
    }
}

/// A glob that first compares the prefix, which decides nearly always: the names of a vendor's charge points begin
/// alike.
#[derive(Debug, Clone)]
pub struct Glob {
    /// The text before the first `*` or `?`.
    prefix: Box<str>,
    /// Whether only a `*` follows the prefix.
    any_end: bool,
    whole: WildMatch,
}

impl Glob {
    /// `*` stands for any text, `?` for any one character.
    pub fn new(glob: &str) -> Self {
        let (prefix, rest) = glob.split_at(glob.find(['*', '?']).unwrap_or(glob.len()));
        Glob { prefix: prefix.into(), any_end: rest == "*", whole: WildMatch::new(glob) }
    }

    pub fn matches(&self, text: &str) -> bool {
        text.starts_with(&*self.prefix) && (self.any_end || self.whole.matches(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::Attributes;

    fn peer(id: &str, version: Version) -> Peer {
        let identity = Identity::new(id, 48).expect("an identity");
        Peer { identity, version, connection: 1, attributes: Attributes::new() }
    }

    #[test]
    fn matcher_without_conditions_matches_everything() {
        let matcher = Matcher::new(&Matching::default());
        assert!(matcher.matches(&peer("CP1", Version::V1_6), Some("Reset")));
        assert!(matcher.matches_direction(Direction::Uplink));
    }

    #[test]
    fn globs_match_by_their_prefix_or_as_a_whole() {
        for (glob, matches, others) in [
            ("*", &["", "CP1"][..], &[][..]),
            ("CP*", &["CP", "CP1"], &["C", "cp1", "XCP1"]),
            ("CP?", &["CP1"], &["CP", "CP11"]),
            ("CP*-é", &["CP-é", "CP1-é"], &["CP1-e"]),
            ("*é", &["é", "CPé"], &["CP"]),
            ("CP1", &["CP1"], &["CP", "CP11"]),
            ("", &[""], &["CP1"]),
        ] {
            let compiled = Glob::new(glob);
            assert!(matches.iter().all(|text| compiled.matches(text)), "{glob}");
            assert!(!others.iter().any(|text| compiled.matches(text)), "{glob}");
        }
    }

    #[test]
    fn every_condition_must_hold() {
        let matcher = Matcher::new(&Matching {
            charge_points: vec!["ACME-*".into(), "CP?".into()],
            versions: vec![Version::V1_6],
            actions: vec!["MeterValues".into()],
            directions: vec![Direction::Uplink],
        });
        assert!(matcher.matches(&peer("ACME-17", Version::V1_6), Some("MeterValues")));
        assert!(matcher.matches(&peer("CP1", Version::V1_6), None));
        assert!(!matcher.matches(&peer("CP11", Version::V1_6), Some("MeterValues")));
        assert!(!matcher.matches(&peer("CP1", Version::V2_1), Some("MeterValues")));
        assert!(!matcher.matches(&peer("CP1", Version::V1_6), Some("Heartbeat")));
        assert!(matcher.matches_direction(Direction::Uplink) && !matcher.matches_direction(Direction::Downlink));
    }
}
