//! The JSON objects on MQTT. Payloads are copied, never parsed.

use ocpp_transform::{ErrorHead, Frame, FrameType, MAX_MESSAGE_ID};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The object for a frame.
pub(crate) fn write(frame: &Frame) -> String {
    match frame.type_ {
        FrameType::Call => call(r#"{"MessageTypeId":2,"UniqueId":""#, frame),
        FrameType::Send => call(r#"{"MessageTypeId":6,"UniqueId":""#, frame),
        FrameType::CallResult => {
            [r#"{"MessageTypeId":3,"UniqueId":""#, &escaped(&frame.id), r#"","Payload":"#, &frame.payload, "}"].concat()
        }
        FrameType::CallError => error(r#"{"MessageTypeId":4,"UniqueId":""#, frame),
        FrameType::CallResultError => error(r#"{"MessageTypeId":5,"UniqueId":""#, frame),
    }
}

fn call(head: &str, frame: &Frame) -> String {
    const ACTION: &str = r#"","Action":""#;
    const PAYLOAD: &str = r#"","Payload":"#;
    let id = escaped(&frame.id);
    let action = escaped(frame.action.as_deref().unwrap_or_default());
    // Most messages come this way: two thirds of what `concat` takes.
    let mut object = String::with_capacity(
        head.len() + id.len() + ACTION.len() + action.len() + PAYLOAD.len() + frame.payload.len() + 1,
    );
    object += head;
    object += &id;
    object += ACTION;
    object += &action;
    object += PAYLOAD;
    object += &frame.payload;
    object.push('}');
    object
}

fn error(head: &str, frame: &Frame) -> String {
    let (code, description) = match &frame.error {
        Some(head) => (head.code.as_str(), head.description.as_str()),
        None => ("GenericError", ""),
    };
    let parts = [
        head,
        &escaped(&frame.id),
        r#"","ErrorCode":""#,
        &escaped(code),
        r#"","ErrorDescription":""#,
        &escaped(description),
        r#"","ErrorDetails":"#,
        &frame.payload,
        "}",
    ];
    parts.concat()
}

/// As it stands between the quotes of a JSON string.
fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return text.into();
    }
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned().into()
}

/// Whether `text` can stand between quotes as it is. Eight bytes at a time, the last of them perhaps twice: this is the
/// only loop over the characters of a message.
fn is_plain(text: &str) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let plain_word = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        // The high bit of a byte is set where it is less than `limit` (which is at most 0x80).
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
        let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        (below(word, 0x20) | equals(b'"') | equals(b'\\')) & HIGH == 0
    };
    match text.as_bytes().last_chunk() {
        Some(last) => plain_word(last) && text.as_bytes().as_chunks().0.iter().all(plain_word),
        None => text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\'),
    }
}

/// What may stand in an object for a charge point. Other keys are ignored.
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

/// Why an object stands for no frame. Never quotes the text: it may hold what does not belong into a log.
#[derive(Debug)]
pub(crate) struct NotUnderstood {
    pub(crate) description: String,
    /// The message that was meant, if that much could be read.
    pub(crate) id: Option<String>,
}

/// The frame that an object stands for.
pub(crate) fn read(text: &[u8]) -> Result<Frame, NotUnderstood> {
    let anonymous = |description| NotUnderstood { description, id: None };
    // serde would read an array as the members in their order.
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

/// The text of a JSON object as it stands, or `{}` in the place of nothing.
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
    fn every_character_that_needs_an_escape_is_seen_wherever_it_stands() {
        for place in 0..20 {
            for byte in 0..=0x7f_u8 {
                let mut text = "äbcdefgäijklmnopqrstu".to_owned().into_bytes();
                text[place + 2] = byte;
                let Ok(text) = String::from_utf8(text) else { continue };
                let plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
                assert_eq!(is_plain(&text), plain, "{byte:#x} at {place}");
            }
        }
    }
}
