//! Maps frames to MQTT messages without a change: OCPP-J text on one topic for each direction.

use crate::MyTransform;
use ocpp_transform::{ErrorHead, Frame, FrameType, Mapping, Peer, Publish, Refusal, TopicFilter};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// `[transforms.config.mapping]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Added before all topics without a separator, so end it with a slash.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "raw/".into() }
    }
}

impl Mapping for MyTransform {
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
        vec![TopicFilter { filter: format!("{}down/{}", self.config.mapping.prefix, peer.id), qos: 1 }]
    }

    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
        // The payload is inserted as text, so that the format of numbers and the order of keys are kept.
        let head = match (&frame.action, &frame.error) {
            (_, Some(error)) => json!([frame.type_.number(), frame.id, error.code, error.description]),
            (Some(action), None) if frame.type_ != FrameType::CallResult => {
                json!([frame.type_.number(), frame.id, action])
            }
            _ => json!([frame.type_.number(), frame.id]),
        };
        let head = head.to_string();
        let text = format!("{},{}]", head.trim_end_matches(']'), frame.payload);
        Ok(vec![Publish::new(format!("{}up/{}", self.config.mapping.prefix, peer.id), text)])
    }

    fn from_mqtt(&self, _peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
        // The parts stay text, so that the payload is passed on as it was written.
        let parts = serde_json::from_slice::<Vec<&RawValue>>(&message.payload);
        let parts = parts.map_err(|error| Refusal::new("FormationViolation", error.to_string()))?;
        Ok(vec![read(&parts).ok_or_else(|| not_understood(&parts))?])
    }
}

/// `[type, id, action or error or nothing, payload]`
fn read(parts: &[&RawValue]) -> Option<Frame> {
    let [number, id, middle @ .., payload] = parts else { return None };
    let type_ = FrameType::from_number(serde_json::from_str(number.get()).ok()?)?;
    let texts: Vec<_> = middle.iter().map(|text| string(text)).collect::<Option<_>>()?;
    let payload = payload.get();
    if !payload.starts_with('{') {
        return None;
    }
    let frame = Frame::new(type_, string(id)?, None, payload);
    match (type_, texts.as_slice()) {
        (FrameType::CallResult, []) => Some(frame),
        (FrameType::Call | FrameType::Send, [action]) => Some(Frame { action: Some(action.clone()), ..frame }),
        (FrameType::CallError | FrameType::CallResultError, [code, description]) => {
            let error = ErrorHead { code: code.clone(), description: description.clone() };
            Some(Frame { error: Some(error), ..frame })
        }
        _ => None,
    }
}

/// A refusal with the message id, if there is one, so that the gateway can name the message.
fn not_understood(parts: &[&RawValue]) -> Refusal {
    let refusal = Refusal::new("FormationViolation", "not an OCPP-J message");
    match parts.get(1).and_then(|id| string(id)) {
        Some(id) => Refusal { details: json!({ "UniqueId": id }).to_string(), ..refusal },
        None => refusal,
    }
}

fn string(part: &RawValue) -> Option<String> {
    serde_json::from_str(part.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::{call, peer};

    #[test]
    fn published_message_can_be_read_again() {
        let transform = MyTransform::configure("{}").expect("the defaults");
        let authorize = call("1", "Authorize", r#"{"idTag":"4F2A"}"#);
        let published = transform.to_mqtt(&peer("CP1"), authorize.clone()).expect("a message");
        assert_eq!(published, [Publish::new("raw/up/CP1", r#"[2,"1","Authorize",{"idTag":"4F2A"}]"#)]);
        assert_eq!(transform.from_mqtt(&peer("CP1"), published[0].clone()), Ok(vec![authorize]));
    }

    /// The frames of a message for the charge point.
    fn down(text: &str) -> Result<Vec<Frame>, Refusal> {
        let transform = MyTransform::configure("{}").expect("the defaults");
        transform.from_mqtt(&peer("CP1"), Publish::new("raw/down/CP1", text))
    }

    #[test]
    fn payload_is_passed_on_as_it_was_written() {
        let payload = r#"{"b": 12345678901234567890123, "a": 1.50, "c": "\u00e9"}"#;
        let frames = down(&format!(r#"[2, "1", "DataTransfer", {payload}]"#)).expect("a frame");
        assert_eq!(frames, [call("1", "DataTransfer", payload)]);
    }

    #[test]
    fn refusal_names_the_message_id() {
        for (text, details) in [
            (r#"[2,"1",{}]"#, r#"{"UniqueId":"1"}"#),
            (r#"[9,"\"",{}]"#, r#"{"UniqueId":"\""}"#),
            (r#"[2,"1","Reset",[]]"#, r#"{"UniqueId":"1"}"#),
            (r#"[2,"1"]"#, r#"{"UniqueId":"1"}"#),
            (r#"[2,1,"Reset",{}]"#, "{}"),
            ("[]", "{}"),
            ("no JSON", "{}"),
        ] {
            let refusal = down(text).expect_err(text);
            assert_eq!((refusal.code.as_str(), refusal.details.as_str()), ("FormationViolation", details), "{text}");
        }
    }
}
