//! Rules for payloads beyond those of OCPP: a message is no larger than the back end can process, and a DataTransfer
//! names its vendor.

use ocpp_transform::{CallError, Frame, FrameType, Peer, Rule, Transform, Validation, export, read_config};
use serde::Deserialize;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The largest payload, in bytes.
    max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_bytes: 10_000 }
    }
}

struct Rules(Config);

impl Transform for Rules {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Rules(read_config(config)?))
    }
}

impl Validation for Rules {
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
        (frame.payload.len() > self.0.max_bytes).then(|| CallError {
            code: "PropertyConstraintViolation".into(),
            description: format!("the payload has more than {} bytes", self.0.max_bytes),
            details: "{}".into(),
        })
    }
}

export!(Rules: Validation);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::{call, peer};

    #[test]
    fn large_payloads_are_rejected() {
        let transform = Rules::configure(r#"{"max_bytes":10}"#).expect("a configuration");
        let check = |payload| transform.check(&peer("CP1"), &call("1", "DataTransfer", payload));
        assert_eq!(check(r#"{"a":"bc"}"#), None);
        assert_eq!(check(r#"{"a":"bcd"}"#).expect("too large").code, "PropertyConstraintViolation");
    }
}
