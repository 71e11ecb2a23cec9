//! Rules for payloads beyond those of OCPP: a DataTransfer names its vendor, and a transaction is on a connector.

use crate::MyTransform;
use ocpp_transform::{CallError, Frame, FrameType, Peer, Rule, Validation};
use serde::Deserialize;

/// `[transforms.config.validation]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The lowest number of a connector that can have a transaction. 0 is the charge point as a whole.
    first_connector: i64,
}

impl Default for Config {
    fn default() -> Self {
        Config { first_connector: 1 }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartTransaction {
    connector_id: i64,
}

impl Validation for MyTransform {
    /// A rule that JSON Schema can express is best written as a schema: the gateway compiles it once.
    fn schemas(&self) -> Vec<Rule> {
        vec![Rule {
            protocol: "ocpp1.6".into(),
            action: "DataTransfer".into(),
            type_: FrameType::Call,
            schema: r#"{"required":["vendorId"],"properties":{"vendorId":{"minLength":1}}}"#.into(),
        }]
    }

    fn check(&self, _peer: &Peer, frame: &Frame) -> Option<CallError> {
        if frame.type_ != FrameType::Call || frame.action.as_deref() != Some("StartTransaction") {
            return None;
        }
        let first = self.config.validation.first_connector;
        let start = frame.read_payload::<StartTransaction>().ok()?;
        (start.connector_id < first).then(|| CallError {
            code: "PropertyConstraintViolation".into(),
            description: format!("a transaction is on connector {first} or above"),
            details: "{}".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::{call, peer};

    #[test]
    fn transaction_on_the_charge_point_as_a_whole_is_rejected() {
        let transform = MyTransform::configure("{}").expect("the defaults");
        let check = |payload| transform.check(&peer("CP1"), &call("1", "StartTransaction", payload));
        assert_eq!(check(r#"{"connectorId":1}"#), None);
        assert_eq!(check(r#"{"connectorId":0}"#).expect("an error").code, "PropertyConstraintViolation");
    }
}
