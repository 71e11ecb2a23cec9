//! Finds message type, message id and action in the beginning of a truncated message.

use ocpp_gateway_core::MessageType;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// What the beginning of a message contains. Texts are empty if they are missing or truncated.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageHead {
    pub(crate) message_type: Option<MessageType>,
    pub(crate) id: String,
    pub(crate) action: String,
}

/// Parses the object of the standard mapping, or an OCPP-J array. Payloads of other mappings cannot be parsed here.
pub(crate) fn find(beginning: &[u8]) -> MessageHead {
    let mut found = MessageHead::default();
    // The truncated text ends with an error. What was found before counts.
    let _ = serde_json::Deserializer::from_slice(beginning).deserialize_any(&mut found);
    found
}

impl<'de> Visitor<'de> for &mut MessageHead {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a message id, or an OCPP-J message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "MessageTypeId" => self.message_type = message_type(&map.next_value()?),
                "UniqueId" => self.id = text(map.next_value()?),
                "Action" => self.action = text(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.message_type = seq.next_element()?.as_ref().and_then(message_type);
        let Some(message_type) = self.message_type else { return Ok(()) };
        self.id = seq.next_element()?.map(text).unwrap_or_default();
        // The third element of an answer is its payload or an error code, not an action.
        if matches!(message_type, MessageType::Call | MessageType::Send) {
            self.action = seq.next_element()?.map(text).unwrap_or_default();
        }
        Ok(())
    }
}

fn message_type(value: &Value) -> Option<MessageType> {
    value.as_u64().and_then(MessageType::from_number)
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_fields_are_found_in_truncated_messages() {
        use MessageType::{Call, CallError, CallResult, Send};
        for (beginning, message_type, id, action) in [
            (r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{"type":"So"#, Some(Call), "7", "Reset"),
            (
                r#"{"Payload":{"UniqueId":"no","l":[1,{}]}, "Action":"Reset", "UniqueId" : "\u0037", "x":"#,
                None,
                "7",
                "Reset",
            ),
            (r#"{"MessageTypeId":3,"UniqueId":7,"Payload":{"da"#, Some(CallResult), "7", ""),
            (r#"{"MessageTypeId":9,"UniqueId":"cut o"#, None, "", ""),
            (r#"{"MessageTypeId":"2","UniqueId":null,"Action":{}"#, None, "", ""),
            (r#"{"Payload":{"UniqueId":"no","data":"aaaa"#, None, "", ""),
            (r#"{"data":"\"UniqueId\":\"no\"","more":"aaaa"#, None, "", ""),
            (r#" [2,"7","DataTransfer",{"data":"aaaa"#, Some(Call), "7", "DataTransfer"),
            (r#"[3,"7",{"data":"aaaa"#, Some(CallResult), "7", ""),
            (r#"[4,"7","InternalError","aaaa"#, Some(CallError), "7", ""),
            (r#"[6,"7","NotifyPeriodicEventStream",{"#, Some(Send), "7", "NotifyPeriodicEventStream"),
            (r#"[2,"7","DataTra"#, Some(Call), "7", ""),
            (r#"["2","7"#, None, "", ""),
            (r#"[{"UniqueId":"no"},"7","#, None, "", ""),
            ("\"UniqueId\"", None, "", ""),
            ("\u{0}\u{1}", None, "", ""),
            ("", None, "", ""),
        ] {
            let expected = MessageHead { message_type, id: id.to_owned(), action: action.to_owned() };
            assert_eq!(find(beginning.as_bytes()), expected, "{beginning}");
        }
        assert_eq!(find(b"{\"UniqueId\":\"7\",\"Payload\":\"\xc3").id, "7");
    }
}
