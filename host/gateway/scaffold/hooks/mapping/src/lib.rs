//! Maps frames to MQTT messages as they are: OCPP-J text on one topic for each direction.

use ocpp_transform::{
    ErrorHead, Frame, FrameType, Mapping, Peer, Publish, Refusal, TopicFilter, Transform, export, read_config,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Stands before all topics: end it with a slash.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "raw/".into() }
    }
}

struct Raw(Config);

impl Transform for Raw {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Raw(read_config(config)?))
    }
}

impl Mapping for Raw {
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
        vec![TopicFilter { filter: format!("{}down/{}", self.0.prefix, peer.id), qos: 1 }]
    }

    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
        // The payload goes in as text, so that its numbers and the order of its keys stay as they are.
        let head = match (&frame.action, &frame.error) {
            (_, Some(error)) => json!([frame.type_.number(), frame.id, error.code, error.description]),
            (Some(action), None) if frame.type_ != FrameType::CallResult => {
                json!([frame.type_.number(), frame.id, action])
            }
            _ => json!([frame.type_.number(), frame.id]),
        };
        let head = head.to_string();
        let text = format!("{},{}]", head.trim_end_matches(']'), frame.payload);
        Ok(vec![Publish::new(format!("{}up/{}", self.0.prefix, peer.id), text)])
    }

    fn from_mqtt(&self, _peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
        let parts = serde_json::from_slice::<Vec<Value>>(&message.payload);
        let parts = parts.map_err(|error| Refusal::new("FormationViolation", error.to_string()))?;
        let frame = read(&parts).ok_or_else(|| Refusal::new("FormationViolation", "not an OCPP-J message"))?;
        Ok(vec![frame])
    }
}

/// `[type, id, action or error or nothing, payload]`
fn read(parts: &[Value]) -> Option<Frame> {
    let [Value::Number(number), Value::String(id), middle @ .., payload] = parts else { return None };
    let type_ = FrameType::from_number(number.as_u64()?)?;
    let texts: Vec<_> = middle.iter().map(Value::as_str).collect::<Option<_>>()?;
    let frame = Frame::new(type_, id.as_str(), None, payload.to_string());
    match (type_, texts[..].as_ref()) {
        (FrameType::CallResult, []) => Some(frame),
        (FrameType::Call | FrameType::Send, [action]) => Some(Frame { action: Some(action.to_string()), ..frame }),
        (FrameType::CallError | FrameType::CallResultError, [code, description]) => {
            let error = ErrorHead { code: code.to_string(), description: description.to_string() };
            Some(Frame { error: Some(error), ..frame })
        }
        _ => None,
    }
}

export!(Raw: Mapping);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::{call, peer};

    #[test]
    fn what_goes_up_can_be_read_again() {
        let transform = Raw::configure("{}").expect("the defaults");
        let authorize = call("1", "Authorize", r#"{"idTag":"4F2A"}"#);
        let published = transform.to_mqtt(&peer("CP1"), authorize.clone()).expect("a message");
        assert_eq!(published, [Publish::new("raw/up/CP1", r#"[2,"1","Authorize",{"idTag":"4F2A"}]"#)]);
        assert_eq!(transform.from_mqtt(&peer("CP1"), published[0].clone()), Ok(vec![authorize]));
    }
}
