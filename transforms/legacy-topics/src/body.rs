//! The content of messages: the payload of the frame, copied and not parsed, or an error.

use ocpp_transform::{ErrorHead, Frame, FrameType};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

const NOT_AN_ERROR: &str = "the payload is not an object with errorCode, errorDescription and errorDetails";

/// The message for a frame.
pub(crate) fn write(frame: Frame) -> String {
    if !is_error(frame.type_) {
        return frame.payload;
    }
    let ErrorHead { code, description } =
        frame.error.unwrap_or_else(|| ErrorHead { code: "GenericError".into(), description: String::new() });
    let (code, description) = (Value::from(code), Value::from(description));
    format!(r#"{{"errorCode":{code},"errorDescription":{description},"errorDetails":{}}}"#, frame.payload)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    error_code: String,
    #[serde(default)]
    error_description: String,
    #[serde(borrow)]
    error_details: Option<&'a RawValue>,
}

/// The head and the details of an error, or the payload of another frame. The error does not quote the text, which may
/// contain data that must not be logged.
pub(crate) fn read(type_: FrameType, message: &[u8]) -> Result<(Option<ErrorHead>, String), &'static str> {
    let payload: &RawValue = serde_json::from_slice(message).map_err(|_| "the payload is not JSON")?;
    if !is_object(payload) {
        return Err("the payload is not a JSON object");
    }
    if !is_error(type_) {
        return Ok((None, payload.get().to_owned()));
    }
    let body: ErrorBody<'_> = serde_json::from_str(payload.get()).map_err(|_| NOT_AN_ERROR)?;
    let details = match body.error_details {
        None => "{}",
        Some(details) if is_object(details) => details.get(),
        Some(_) => return Err(NOT_AN_ERROR),
    };
    if body.error_code.is_empty() {
        return Err(NOT_AN_ERROR);
    }
    Ok((Some(ErrorHead { code: body.error_code, description: body.error_description }), details.to_owned()))
}

fn is_error(type_: FrameType) -> bool {
    matches!(type_, FrameType::CallError | FrameType::CallResultError)
}

fn is_object(json: &RawValue) -> bool {
    json.get().starts_with('{')
}
