//! The heartbeat interval that a charge point was given.
//!
//! The answer to an accepted BootNotification contains it (OCPP 1.6 section 4.2). It changes with an accepted
//! ChangeConfiguration of `HeartbeatInterval` (1.6 section 9.1.10) or SetVariables of `OCPPCommCtrlr.HeartbeatInterval`
//! (2.0.1 part 2, appendix). In the field the number may be absent, negative or text.

use crate::frame::Frame;
use serde_json::Value;
use std::time::Duration;

/// The longest interval, in seconds. Larger numbers are taken for mistakes.
const MAX_SECONDS: u64 = 365 * 24 * 3600;

/// A CALL to the charge point that requests another heartbeat interval, in force if the charge point accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntervalRequest {
    ChangeConfiguration(Duration),
    SetVariables(Duration),
}

/// The interval in the answer to a BootNotification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BootInterval {
    /// The boot is accepted, and the interval is in force. `None`: the answer has no valid number.
    Accepted(Option<Duration>),
    /// The boot is not accepted (yet). The number is the time until the next boot, not a heartbeat interval.
    NotAccepted,
}

/// Reads the payload of a BootNotification's answer.
pub(super) fn boot_interval(payload: &str) -> BootInterval {
    let answer: Value = serde_json::from_str(payload).unwrap_or_default();
    match answer["status"].as_str() {
        Some("Pending" | "Rejected") => BootInterval::NotAccepted,
        _ => BootInterval::Accepted(seconds(&answer["interval"])),
    }
}

impl IntervalRequest {
    /// Reads the request from a CALL to the charge point, if it is one.
    pub(super) fn of(frame: &Frame<'_>) -> Option<Self> {
        let call = || serde_json::from_str::<Value>(&frame.payload).ok();
        match frame.action_name() {
            // Keys are case-insensitive (OCPP 1.6 section 7.14: CiString50Type).
            "ChangeConfiguration" => call()
                .filter(|call| is_name(&call["key"], "HeartbeatInterval"))
                .and_then(|call| seconds(&call["value"]).map(IntervalRequest::ChangeConfiguration)),
            "SetVariables" => {
                let call = call()?;
                let data = heartbeat_interval_in(&call["setVariableData"])?;
                seconds(&data["attributeValue"]).map(IntervalRequest::SetVariables)
            }
            _ => None,
        }
    }

    /// The interval, if the charge point's CALLRESULT accepts it.
    pub(super) fn accepted(self, payload: &str) -> Option<Duration> {
        let answer: Value = serde_json::from_str(payload).ok()?;
        let (interval, status) = match self {
            // After `RebootRequired`, the answer to the next boot sets the interval.
            IntervalRequest::ChangeConfiguration(interval) => (interval, &answer["status"]),
            IntervalRequest::SetVariables(interval) => {
                (interval, &heartbeat_interval_in(&answer["setVariableResult"])?["attributeStatus"])
            }
        };
        (status == "Accepted").then_some(interval)
    }
}

/// The element of SetVariables, or of its answer, that is about the heartbeat interval.
fn heartbeat_interval_in(list: &Value) -> Option<&Value> {
    list.as_array()?.iter().find(|element| {
        let attribute = &element["attributeType"];
        is_name(&element["component"]["name"], "OCPPCommCtrlr")
            && is_name(&element["variable"]["name"], "HeartbeatInterval")
            && (attribute.is_null() || attribute == "Actual")
    })
}

fn is_name(value: &Value, name: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name))
}

/// A number of seconds, as a number or as text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| (1..=MAX_SECONDS).contains(seconds)).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn only_an_accepted_boot_sets_an_interval() {
        for (payload, interval) in [
            (r#"{"status":"Accepted","interval":60}"#, BootInterval::Accepted(Some(MINUTE))),
            (r#"{"status":"Accepted","interval":"60"}"#, BootInterval::Accepted(Some(MINUTE))),
            (
                r#"{"status":"Accepted","interval":31536000}"#,
                BootInterval::Accepted(Some(Duration::from_secs(MAX_SECONDS))),
            ),
            (r#"{"status":"Accepted","interval":31536001}"#, BootInterval::Accepted(None)),
            (r#"{"status":"Accepted","interval":-60}"#, BootInterval::Accepted(None)),
            (r#"{"status":"Accepted","interval":0}"#, BootInterval::Accepted(None)),
            (r#"{"status":"Accepted"}"#, BootInterval::Accepted(None)),
            (r#"{"interval":60}"#, BootInterval::Accepted(Some(MINUTE))),
            ("[", BootInterval::Accepted(None)),
            (r#"{"status":"Pending","interval":60}"#, BootInterval::NotAccepted),
            (r#"{"status":"Rejected","interval":60}"#, BootInterval::NotAccepted),
        ] {
            assert_eq!(boot_interval(payload), interval, "{payload}");
        }
    }

    fn request(action: &str, payload: &str) -> Option<IntervalRequest> {
        IntervalRequest::of(&Frame::parse(&format!(r#"[2,"a","{action}",{payload}]"#)).expect("a call"))
    }

    #[test]
    fn an_accepted_change_of_the_configuration_sets_an_interval() {
        let request = |payload| request("ChangeConfiguration", payload);
        let wanted = request(r#"{"key":"heartbeatInterval","value":"60"}"#).expect("a request");
        assert_eq!(wanted.accepted(r#"{"status":"Accepted"}"#), Some(MINUTE));
        assert_eq!(wanted.accepted(r#"{"status":"RebootRequired"}"#), None);
        assert_eq!(wanted.accepted(r#"{"status":"Rejected"}"#), None);
        assert_eq!(wanted.accepted("{}"), None);
        assert_eq!(request(r#"{"key":"HeartbeatInterval","value":"often"}"#), None);
        assert_eq!(request(r#"{"key":"MeterValueSampleInterval","value":"60"}"#), None);
        assert_eq!(request(r#"{"key":7}"#), None);
    }

    #[test]
    fn an_accepted_variable_sets_an_interval() {
        let element = |component: &str, name: &str, rest: &str| {
            format!(r#"{{"component":{{"name":"{component}"}},"variable":{{"name":"{name}"}},{rest}}}"#)
        };
        let other = element("OCPPCommCtrlr", "NetworkProfile", r#""attributeValue":"7","attributeStatus":"Accepted""#);
        let data = |rest| {
            let element = element("OCPPCommCtrlr", "HeartbeatInterval", rest);
            request("SetVariables", &format!(r#"{{"setVariableData":[{other},{element}]}}"#))
        };
        let wanted = data(r#""attributeValue":"60""#).expect("a request");
        assert_eq!(data(r#""attributeValue":"60","attributeType":"Actual""#), Some(wanted));
        assert_eq!(data(r#""attributeValue":"60","attributeType":"Target""#), None);
        let answer = |status: &str| {
            let status = format!(r#""attributeStatus":"{status}""#);
            let element = element("OCPPCommCtrlr", "HeartbeatInterval", &status);
            wanted.accepted(&format!(r#"{{"setVariableResult":[{other},{element}]}}"#))
        };
        assert_eq!(answer("Accepted"), Some(MINUTE));
        assert_eq!(answer("Rejected"), None);
        for foreign in [element("Other", "HeartbeatInterval", r#""attributeValue":"60""#), other.clone()] {
            assert_eq!(request("SetVariables", &format!(r#"{{"setVariableData":[{foreign}]}}"#)), None);
        }
        assert_eq!(request("GetVariables", r#"{"setVariableData":[]}"#), None);
    }
}
