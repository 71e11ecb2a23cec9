//! Texts in fixtures: payloads and frames, compared by what they say.

use ocpp_gateway_core::Frame;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// A payload. JSON is compared by value, whatever its spaces, the order of its keys and the form of its numbers; all
/// else byte by byte.
#[derive(Debug, Clone)]
pub(super) struct Content {
    bytes: Vec<u8>,
    json: Option<Value>,
}

impl Content {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let json = serde_json::from_slice(&bytes).ok().map(by_value);
        Content { bytes, json }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (&self.json, &other.json) {
            (Some(one), Some(other)) => one == other,
            _ => self.bytes == other.bytes,
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.into_bytes().into())
    }
}

/// Lists and objects as JSON, all else as it stands.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.json {
            Some(json @ (Value::Array(_) | Value::Object(_))) => json.serialize(serializer),
            _ => serializer.serialize_str(&String::from_utf8_lossy(&self.bytes)),
        }
    }
}

/// A frame as OCPP-J text, compared as JSON.
#[derive(Debug, Clone)]
pub(super) struct FrameText(Frame<'static>);

impl FrameText {
    pub(super) fn into_frame(self) -> Frame<'static> {
        self.0
    }

    fn json(&self) -> Value {
        // What the engine lets through has a payload that is JSON.
        serde_json::from_str(&self.0.encode()).map_or(Value::Null, by_value)
    }
}

impl From<Frame<'static>> for FrameText {
    fn from(frame: Frame<'static>) -> Self {
        FrameText(frame)
    }
}

impl PartialEq for FrameText {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl<'de> Deserialize<'de> for FrameText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let frame =
            Frame::parse(&text).map_err(|fault| serde::de::Error::custom(format_args!("the frame: {fault}")))?;
        Ok(FrameText(frame.into_owned()))
    }
}

impl Serialize for FrameText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

/// The same value with each number in one form: 1.0 and 1e0 become 1.
fn by_value(value: Value) -> Value {
    /// Up to here a float holds every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
                Value::Number(Number::from(float as i64))
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(by_value).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, by_value(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        text.as_bytes().to_vec().into()
    }

    #[test]
    fn json_is_compared_by_value() {
        assert_eq!(content(r#"{"a":1,"b":[2.50]}"#), content(r#"{ "b": [25e-1], "a": 1.0 }"#));
        assert_eq!(content("230.10"), content("230.1"));
        for (one, other) in [("1", "2"), (r#""1""#, "1"), ("{}", r#"{"a":null}"#), ("[1,2]", "[2,1]")] {
            assert_ne!(content(one), content(other));
        }
    }

    #[test]
    fn all_else_is_compared_byte_by_byte() {
        assert_eq!(content("on line"), content("on line"));
        assert_ne!(content("on line"), content("on  line"));
        assert_ne!(content(r#""on line""#), content("on line"));
        assert_ne!(content("\u{fffd}"), Content::from(vec![0xff]));
    }

    #[test]
    fn frames_are_compared_as_json() {
        let frame = |text: &'static str| FrameText(Frame::parse(text).expect("a frame"));
        assert_eq!(frame(r#"[2,"1","Reset",{"a":1}]"#), frame(r#"[ 2, "1", "Reset", { "a": 1.0 } ]"#));
        assert_ne!(frame(r#"[2,"1","Reset",{}]"#), frame(r#"[2,"2","Reset",{}]"#));
    }
}
