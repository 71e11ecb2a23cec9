//! Which connected charge points have connectors that are out of order.

use ocpp_gateway_core::Identity;
use std::collections::BTreeMap;

/// The number of faulted connectors of each charge point that has some.
#[derive(Debug, Default)]
pub(super) struct FaultedChargePoints(BTreeMap<Identity, usize>);

/// The faulted connectors of all connected charge points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faulted {
    pub connectors: usize,
    pub charge_points: usize,
    /// Some of these charge points.
    pub identities: Vec<Identity>,
}

impl FaultedChargePoints {
    pub(super) fn set(&mut self, identity: &Identity, connectors: usize) {
        if connectors == 0 {
            self.0.remove(identity);
        } else {
            self.0.insert(identity.clone(), connectors);
        }
    }

    /// `None`: there are none. `names`: the most identities.
    pub(super) fn summary(&self, names: usize) -> Option<Faulted> {
        let charge_points = self.0.len();
        let identities = self.0.keys().take(names).cloned().collect();
        (charge_points > 0).then(|| Faulted { connectors: self.0.values().sum(), charge_points, identities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charge_points_with_faulted_connectors_are_counted_and_some_are_named() {
        let identity = |name: &str| Identity::new(name, 48).expect("an identity");
        let mut faulted = FaultedChargePoints::default();
        assert_eq!(faulted.summary(2), None);
        for (name, connectors) in [("CP3", 1), ("CP1", 2), ("CP2", 1), ("CP1", 4), ("CP4", 0)] {
            faulted.set(&identity(name), connectors);
        }
        let identities = vec![identity("CP1"), identity("CP2")];
        assert_eq!(faulted.summary(2), Some(Faulted { connectors: 6, charge_points: 3, identities }));
        ["CP1", "CP2", "CP3"].into_iter().for_each(|name| faulted.set(&identity(name), 0));
        assert_eq!(faulted.summary(2), None);
    }
}
