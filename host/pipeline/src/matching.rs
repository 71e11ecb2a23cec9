//! Which messages a transform is for: the others do not pay for it.

use ocpp_gateway_core::{Direction, Identity, Peer, Version};
use wildmatch::WildMatch;

/// `match` in the configuration. An empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// Globs: `*` stands for any text, `?` for any one character.
    pub charge_points: Vec<String>,
    pub versions: Vec<Version>,
    /// Of frames. A message from a back end has no action before it is mapped, so `inbound` is called for all of them.
    pub actions: Vec<String>,
    pub directions: Vec<Direction>,
}

/// The same, ready to be asked.
pub(crate) struct Matcher {
    charge_points: Vec<WildMatch>,
    versions: Vec<Version>,
    actions: Vec<String>,
    directions: Vec<Direction>,
}

impl Matcher {
    pub(crate) fn new(matching: &Matching) -> Self {
        Matcher {
            charge_points: matching.charge_points.iter().map(|glob| WildMatch::new(glob)).collect(),
            versions: matching.versions.clone(),
            actions: matching.actions.clone(),
            directions: matching.directions.clone(),
        }
    }

    pub(crate) fn takes_identity(&self, identity: &Identity) -> bool {
        self.charge_points.is_empty() || self.charge_points.iter().any(|glob| glob.matches(identity.as_str()))
    }

    pub(crate) fn takes_peer(&self, peer: &Peer) -> bool {
        self.takes_identity(&peer.identity) && (self.versions.is_empty() || self.versions.contains(&peer.version))
    }

    pub(crate) fn takes_direction(&self, direction: Direction) -> bool {
        self.directions.is_empty() || self.directions.contains(&direction)
    }

    /// `None`: the action is not known, which is no reason not to look.
    pub(crate) fn takes(&self, peer: &Peer, action: Option<&str>) -> bool {
        let takes_action = match action {
            Some(action) => self.actions.is_empty() || self.actions.iter().any(|wanted| wanted == action),
            None => true,
        };
        takes_action && self.takes_peer(peer)
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
    fn no_condition_takes_everything() {
        let matcher = Matcher::new(&Matching::default());
        assert!(matcher.takes(&peer("CP1", Version::V1_6), Some("Reset")));
        assert!(matcher.takes_direction(Direction::Uplink));
    }

    #[test]
    fn every_condition_must_hold() {
        let matcher = Matcher::new(&Matching {
            charge_points: vec!["ACME-*".into(), "CP?".into()],
            versions: vec![Version::V1_6],
            actions: vec!["MeterValues".into()],
            directions: vec![Direction::Uplink],
        });
        assert!(matcher.takes(&peer("ACME-17", Version::V1_6), Some("MeterValues")));
        assert!(matcher.takes(&peer("CP1", Version::V1_6), None));
        assert!(!matcher.takes(&peer("CP11", Version::V1_6), Some("MeterValues")));
        assert!(!matcher.takes(&peer("CP1", Version::V2_1), Some("MeterValues")));
        assert!(!matcher.takes(&peer("CP1", Version::V1_6), Some("Heartbeat")));
        assert!(matcher.takes_direction(Direction::Uplink) && !matcher.takes_direction(Direction::Downlink));
    }
}
