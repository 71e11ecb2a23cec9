//! The JSON objects on MQTT. Payloads are copied, not parsed.

use ocpp_transform::{ErrorHead, Frame, FrameType, MAX_MESSAGE_ID};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The object for a frame.
pub(crate) fn write(frame: &Frame) -> Vec<u8> {
    // Besides payload and id: the names of the members, and an action or an error code of the usual length.
    let mut object = Vec::with_capacity(frame.payload.len() + frame.id.len() + 96);
    object.extend_from_slice(br#"{"MessageTypeId":"#);
    object.push(b'0' + frame.type_.number());
    string(&mut object, br#","UniqueId":"#, &frame.id);
    let payload: &[u8] = match frame.type_ {
        FrameType::Call | FrameType::Send => {
            string(&mut object, br#","Action":"#, frame.action.as_deref().unwrap_or_default());
            br#","Payload":"#
        }
        FrameType::CallResult => br#","Payload":"#,
        FrameType::CallError | FrameType::CallResultError => {
            let head = frame.error.as_ref();
            string(&mut object, br#","ErrorCode":"#, head.map_or("GenericError", |head| &head.code));
            string(&mut object, br#","ErrorDescription":"#, head.map_or("", |head| &head.description));
            br#","ErrorDetails":"#
        }
    };
    object.extend_from_slice(payload);
    object.extend_from_slice(frame.payload.as_bytes());
    object.push(b'}');
    object
}

/// Adds a string member. `name`: with everything before its value.
fn string(object: &mut Vec<u8>, name: &[u8], value: &str) {
    object.extend_from_slice(name);
    serde_json::to_writer(object, value).expect("a vector takes everything");
}

/// The members of an object for a charge point. Other keys are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    #[serde(borrow)]
    message_type_id: Option<&'a RawValue>,
    #[serde(borrow)]
    unique_id: Option<&'a RawValue>,
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    error_code: Option<&'a RawValue>,
    #[serde(borrow)]
    error_description: Option<&'a RawValue>,
    #[serde(borrow)]
    error_details: Option<&'a RawValue>,
}

/// Why an object cannot be read as a frame. Does not quote the text, which may contain data that must not be logged.
#[derive(Debug)]
pub(crate) struct NotUnderstood {
    pub(crate) description: String,
    /// The message id, if it could be read.
    pub(crate) id: Option<String>,
}

/// Reads an object as a frame.
pub(crate) fn read(text: &[u8]) -> Result<Frame, NotUnderstood> {
    let anonymous = |description| NotUnderstood { description, id: None };
    // serde would read an array as the members in order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(anonymous("not a JSON object".into()));
    }
    let members: Members<'_> = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        anonymous(format!("not a JSON object: {:?} error at line {line}, column {column}", error.classify()))
    })?;
    let id = required("UniqueId", members.unique_id).map_err(anonymous)?;
    if id.chars().count() > MAX_MESSAGE_ID {
        let description = format!("UniqueId is longer than {MAX_MESSAGE_ID} characters");
        return Err(NotUnderstood { description, id: Some(id) });
    }
    members.frame(&id).map_err(|description| NotUnderstood { description, id: Some(id) })
}

impl Members<'_> {
    fn frame(&self, id: &str) -> Result<Frame, String> {
        let kind = self.message_type_id.ok_or("MessageTypeId is missing")?;
        let kind = serde_json::from_str(kind.get())
            .ok()
            .and_then(FrameType::from_number)
            .ok_or("MessageTypeId is not a number from 2 to 6")?;
        Ok(match kind {
            FrameType::Call | FrameType::Send => {
                Frame::new(kind, id, Some(required("Action", self.action)?), object("Payload", self.payload)?)
            }
            FrameType::CallResult => {
                Frame::new(kind, id, optional("Action", self.action)?, object("Payload", self.payload)?)
            }
            FrameType::CallError | FrameType::CallResultError => Frame {
                error: Some(ErrorHead {
                    code: required("ErrorCode", self.error_code)?,
                    description: optional("ErrorDescription", self.error_description)?.unwrap_or_default(),
                }),
                ..Frame::new(kind, id, optional("Action", self.action)?, object("ErrorDetails", self.error_details)?)
            },
        })
    }
}

fn required(key: &str, raw: Option<&RawValue>) -> Result<String, String> {
    let text = optional(key, raw)?.ok_or_else(|| format!("{key} is missing"))?;
    if text.is_empty() { Err(format!("{key} is empty")) } else { Ok(text) }
}

fn optional(key: &str, raw: Option<&RawValue>) -> Result<Option<String>, String> {
    let text = raw.map(|raw| serde_json::from_str(raw.get())).transpose();
    text.map_err(|_| format!("{key} is not a string"))
}

/// The text of a JSON object, unchanged; `{}` if it is absent.
fn object(key: &str, raw: Option<&RawValue>) -> Result<String, String> {
    match raw.map(RawValue::get) {
        None => Ok("{}".into()),
        Some(text) if text.starts_with('{') => Ok(text.to_owned()),
        Some(_) => Err(format!("{key} is not an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_needs_an_escape_is_escaped_at_any_place() {
        for place in 0..20 {
            for byte in 0..=0x7f_u8 {
                let mut text = "äbcdefgäijklmnopqrstu".to_owned().into_bytes();
                text[place + 2] = byte;
                let Ok(text) = String::from_utf8(text) else { continue };
                let object = write(&Frame::new(FrameType::CallResult, text.as_str(), None, "{}"));
                let members: serde_json::Value = serde_json::from_slice(&object).expect("JSON");
                assert_eq!(members["UniqueId"], *text, "{byte:#x} at {place}");
                let plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
                let object = String::from_utf8(object).expect("text");
                assert_eq!(object.contains(&format!("\"{text}\"")), plain, "{byte:#x} at {place}");
            }
        }
    }
}
