//! A CALL over the API, as audit lines show it: what was sent, and what became of it.

use crate::operations::tap::hide_secrets_in;
use ocpp_gateway_core::session::OperatorCallOutcome;
use serde::Serialize;

/// The longest payload in a line, in bytes. With the number of lines, it limits their memory to about 1 MB.
const MAX_PAYLOAD: usize = 2048;

/// The longest text of the charge point or the gateway in a line, in bytes.
const MAX_TEXT: usize = 128;

/// A CALL over the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct AuditedCall {
    charge_point: String,
    action: String,
    message_id: String,
    /// Without secrets, cut where it is long. Null: operators may not see payloads.
    payload: Option<String>,
    /// Null: it is not known yet.
    outcome: Option<CallOutcome>,
    /// That of a CALLERROR.
    error_code: Option<String>,
    /// Why there is no answer.
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CallOutcome {
    Result,
    Error,
    None,
}

impl AuditedCall {
    /// `payload`: `None` if operators may not see payloads.
    pub(super) fn new(charge_point: String, action: String, message_id: String, payload: Option<String>) -> Self {
        let payload = payload.map(|payload| shown(payload, MAX_PAYLOAD));
        AuditedCall { charge_point, action, message_id, payload, outcome: None, error_code: None, reason: None }
    }

    pub(super) fn what(&self) -> String {
        format!("{} with message id {}", self.action, self.message_id)
    }

    /// What has become of it so far.
    pub(super) fn done(&self) -> String {
        let charge_point = &self.charge_point;
        let code = self.error_code.as_deref().unwrap_or_default();
        match self.outcome {
            None => format!("queued for charge point {charge_point}"),
            Some(CallOutcome::Result) => format!("answered by charge point {charge_point}"),
            Some(CallOutcome::Error) => format!("answered with CALLERROR {code} by charge point {charge_point}"),
            Some(CallOutcome::None) => format!("not answered by charge point {charge_point}"),
        }
    }

    /// `Err`: why there is no answer.
    pub(super) fn end(&mut self, outcome: Result<&OperatorCallOutcome, &str>) {
        let text = |text: &str| Some(shown(text.to_owned(), MAX_TEXT));
        let (outcome, error_code, reason) = match outcome {
            Ok(OperatorCallOutcome::Result(_)) => (CallOutcome::Result, None, None),
            Ok(OperatorCallOutcome::Error(error)) => (CallOutcome::Error, text(&error.code), None),
            Ok(OperatorCallOutcome::None { text: why, .. }) => (CallOutcome::None, None, text(why)),
            Err(why) => (CallOutcome::None, None, text(why)),
        };
        (self.outcome, self.error_code, self.reason) = (Some(outcome), error_code, reason);
    }
}

/// A text without secrets, cut.
fn shown(mut text: String, longest: usize) -> String {
    // Before it is cut: secrets are found in whole JSON only.
    hide_secrets_in(&mut text);
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::{CallError, Fault};

    fn call(payload: &str) -> AuditedCall {
        AuditedCall::new("CP1".into(), "ChangeConfiguration".into(), "7".into(), Some(payload.to_owned()))
    }

    #[test]
    fn payload_has_no_secrets_and_is_cut() {
        let secret = call(r#"{"key":"AuthorizationKey","value":"s3cret"}"#);
        assert_eq!(secret.payload.as_deref(), Some(r#"{"key":"AuthorizationKey","value":"***"}"#));
        let long = format!(r#"{{"value":"{}","password":"s3cret"}}"#, "ä".repeat(MAX_PAYLOAD));
        let payload = call(&long).payload.expect("a payload");
        assert!(payload.len() <= MAX_PAYLOAD + '…'.len_utf8() && payload.capacity() < 2 * MAX_PAYLOAD);
        assert!(payload.ends_with("ä…") && !payload.contains("s3cret"));
        assert_eq!(AuditedCall::new("CP1".into(), "Reset".into(), "7".into(), None).payload, None);
    }

    #[test]
    fn line_says_what_became_of_the_call() {
        let mut call = call("{}");
        assert_eq!(call.what(), "ChangeConfiguration with message id 7");
        assert_eq!(call.done(), "queued for charge point CP1");
        call.end(Ok(&OperatorCallOutcome::Result("{}".into())));
        assert_eq!(call.done(), "answered by charge point CP1");
        let error = CallError { code: "NotSupported".into(), description: "no".into(), details: "{}".into() };
        call.end(Ok(&OperatorCallOutcome::Error(error)));
        assert_eq!(call.done(), "answered with CALLERROR NotSupported by charge point CP1");
        let none = OperatorCallOutcome::None { fault: Fault::TimedOut, text: "no answer in time".into() };
        call.end(Ok(&none));
        assert_eq!(call.done(), "not answered by charge point CP1");
        assert_eq!((call.error_code.as_deref(), call.reason.as_deref()), (None, Some("no answer in time")));
        call.end(Err("the charge point went away"));
        assert_eq!(call.reason.as_deref(), Some("the charge point went away"));
    }
}
