//! The JSON objects on MQTT. Payloads are copied, never parsed.

use ocpp_transform::{ErrorHead, Frame, FrameType};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The object for a frame.
pub(crate) fn write(frame: &Frame) -> String {
    let mut out = String::with_capacity(room_for(frame));
    out.push_str("{\"MessageTypeId\":");
    out.push(char::from(b'0' + frame.type_.number()));
    push_member(&mut out, ",\"UniqueId\":", &frame.id);
    match frame.type_ {
        FrameType::Call | FrameType::Send => {
            push_member(&mut out, ",\"Action\":", frame.action.as_deref().unwrap_or_default());
            out.push_str(",\"Payload\":");
        }
        FrameType::CallResult => out.push_str(",\"Payload\":"),
        FrameType::CallError | FrameType::CallResultError => {
            let (code, description) = match &frame.error {
                Some(head) => (head.code.as_str(), head.description.as_str()),
                None => ("GenericError", ""),
            };
            push_member(&mut out, ",\"ErrorCode\":", code);
            push_member(&mut out, ",\"ErrorDescription\":", description);
            out.push_str(",\"ErrorDetails\":");
        }
    }
    out.push_str(&frame.payload);
    out.push('}');
    out
}

/// Enough for the object unless strings need escapes, so that it is written without growing.
fn room_for(frame: &Frame) -> usize {
    let variable = match (&frame.action, &frame.error) {
        (_, Some(head)) => head.code.len() + head.description.len(),
        (Some(action), None) => action.len(),
        (None, None) => 0,
    };
    frame.payload.len() + frame.id.len() + variable + 96
}

fn push_member(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    if is_plain(value) {
        out.push('"');
        out.push_str(value);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(value).to_string());
    }
}

/// Whether `text` can stand between quotes as it is. Eight bytes at a time: this is the only loop over the characters of
/// a message.
fn is_plain(text: &str) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, rest) = text.as_bytes().as_chunks();
    let plain_word = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        // The high bit of a byte is set where it is less than `limit` (which is at most 0x80).
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
        let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        (below(word, 0x20) | equals(b'"') | equals(b'\\')) & HIGH == 0
    };
    words.iter().all(plain_word) && rest.iter().all(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
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
    optional(key, raw)?.ok_or_else(|| format!("{key} is missing"))
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
