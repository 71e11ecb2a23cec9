//! Accepts charge points of some vendors only, and stores the vendor as an attribute. The prefix of the identity names
//! the vendor.

use crate::MyTransform;
use ocpp_transform::{Acceptance, Admission, Decision, Offer, Rejection};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[transforms.config.admission]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Vendors by the prefix of identities.
    vendors: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Config { vendors: BTreeMap::from([("ACME-".into(), "acme".into())]) }
    }
}

impl Admission for MyTransform {
    fn admit(&self, offer: Offer) -> Decision {
        match self.config.admission.vendors.iter().find(|(prefix, _)| offer.id.starts_with(prefix.as_str())) {
            // Every other hook finds the attribute in `peer.attributes`.
            Some((_, vendor)) => Decision::Accept(Acceptance { attributes: vec![("vendor".into(), vendor.clone())] }),
            None => Decision::Refuse(Rejection { status: 403, reason: "unknown vendor".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;

    fn offer(id: &str) -> Offer {
        Offer {
            id: id.into(),
            remote_address: "192.0.2.1:5000".into(),
            path: format!("/ocpp/{id}"),
            protocols: vec!["ocpp1.6".into()],
            headers: vec![],
            user: None,
            attributes: vec![],
        }
    }

    #[test]
    fn vendor_is_recognised_by_the_identity() {
        let transform = MyTransform::configure("{}").expect("the defaults");
        let accepted = Acceptance { attributes: vec![("vendor".into(), "acme".into())] };
        assert_eq!(transform.admit(offer("ACME-1")), Decision::Accept(accepted));
        assert!(matches!(transform.admit(offer("OTHER-1")), Decision::Refuse(Rejection { status: 403, .. })));
    }
}
