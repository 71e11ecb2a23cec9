//! Accepts charge points of some vendors only, and stores the vendor as an attribute. The prefix of the identity names
//! the vendor.

use ocpp_transform::{Acceptance, Admission, Decision, Offer, Rejection, Transform, export, read_config};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Vendors by the prefix of identities.
    vendors: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Config { vendors: BTreeMap::from([("ACME-".into(), "acme".into())]) }
    }
}

struct Vendors(Config);

impl Transform for Vendors {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Vendors(read_config(config)?))
    }
}

impl Admission for Vendors {
    fn admit(&self, offer: Offer) -> Decision {
        match self.0.vendors.iter().find(|(prefix, _)| offer.id.starts_with(prefix.as_str())) {
            // Every other hook finds the attribute in `peer.attributes`.
            Some((_, vendor)) => Decision::Accept(Acceptance { attributes: vec![("vendor".into(), vendor.clone())] }),
            None => Decision::Refuse(Rejection { status: 403, reason: "unknown vendor".into() }),
        }
    }
}

export!(Vendors: Admission);

#[cfg(test)]
mod tests {
    use super::*;

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
        let transform = Vendors::configure("{}").expect("the defaults");
        let accepted = Acceptance { attributes: vec![("vendor".into(), "acme".into())] };
        assert_eq!(transform.admit(offer("ACME-1")), Decision::Accept(accepted));
        assert!(matches!(transform.admit(offer("OTHER-1")), Decision::Refuse(Rejection { status: 403, .. })));
    }
}
