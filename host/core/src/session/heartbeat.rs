//! The heartbeat interval that a charge point has been told.
//!
//! It comes with the answer to an accepted BootNotification (OCPP 1.6 section 4.2), and changes with an accepted
//! ChangeConfiguration of `HeartbeatInterval` (1.6 section 9.1.10) or SetVariables of `OCPPCommCtrlr.HeartbeatInterval`
//! (2.0.1 part 2, appendix). In the field the number may be absent, negative or text.

use crate::frame::Frame;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Longer than this is no interval but a mistake.
const LONGEST: u64 = 365 * 24 * 3600;

/// A CALL to the charge point that asks for another heartbeat interval, if it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntervalRequest {
    ChangeConfiguration(Duration),
    SetVariables(Duration),
}

/// What the answer to a BootNotification says of the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BootInterval {
    /// In force from now on. `None`: accepted, but without a usable number.
    Accepted(Option<Duration>),
    /// Not accepted (yet): the number says when to boot again, and is no heartbeat interval.
    NotAccepted,
}

/// Reads the payload of a BootNotification's answer.
pub(super) fn boot_interval(payload: &str) -> BootInterval {
    #[derive(Deserialize)]
    struct Answer {
        status: Option<Value>,
        interval: Option<Value>,
    }
    let Ok(Answer { status, interval }) = serde_json::from_str(payload) else { return BootInterval::Accepted(None) };
    match status.as_ref().and_then(Value::as_str) {
        Some("Pending" | "Rejected") => BootInterval::NotAccepted,
        _ => BootInterval::Accepted(interval.as_ref().and_then(seconds)),
    }
}

impl IntervalRequest {
    /// Reads a CALL to the charge point.
    pub(super) fn of(frame: &Frame<'_>) -> Option<Self> {
        match frame.action_name() {
            "ChangeConfiguration" => change_configuration(&frame.payload).map(IntervalRequest::ChangeConfiguration),
            "SetVariables" => set_variables(&frame.payload).map(IntervalRequest::SetVariables),
            _ => None,
        }
    }

    /// The interval that is in force now, if the charge point's CALLRESULT accepts it.
    pub(super) fn accepted(self, payload: &str) -> Option<Duration> {
        match self {
            IntervalRequest::ChangeConfiguration(interval) => {
                #[derive(Deserialize)]
                struct Answer {
                    status: String,
                }
                let answer: Answer = serde_json::from_str(payload).ok()?;
                // `RebootRequired`: the next boot will tell.
                (answer.status == "Accepted").then_some(interval)
            }
            IntervalRequest::SetVariables(interval) => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Answer {
                    set_variable_result: Vec<Variable>,
                }
                let answer: Answer = serde_json::from_str(payload).ok()?;
                let result = answer.set_variable_result.into_iter().find(Variable::is_heartbeat_interval)?;
                (result.attribute_status.as_deref() == Some("Accepted")).then_some(interval)
            }
        }
    }
}

fn change_configuration(payload: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Call {
        key: String,
        value: Value,
    }
    let call: Call = serde_json::from_str(payload).ok()?;
    // Keys are case-insensitive (OCPP 1.6 section 7.14: CiString50Type).
    call.key.eq_ignore_ascii_case("HeartbeatInterval").then(|| seconds(&call.value))?
}

fn set_variables(payload: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Call {
        set_variable_data: Vec<Variable>,
    }
    let call: Call = serde_json::from_str(payload).ok()?;
    let data = call.set_variable_data.into_iter().find(Variable::is_heartbeat_interval)?;
    seconds(data.attribute_value.as_ref()?)
}

/// An element of SetVariables, or of its answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable {
    component: Named,
    variable: Named,
    attribute_type: Option<String>,
    attribute_value: Option<Value>,
    attribute_status: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Variable {
    fn is_heartbeat_interval(&self) -> bool {
        self.component.name.eq_ignore_ascii_case("OCPPCommCtrlr")
            && self.variable.name.eq_ignore_ascii_case("HeartbeatInterval")
            && self.attribute_type.as_deref().is_none_or(|attribute| attribute == "Actual")
    }
}

/// A number of seconds, as a number or as text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| (1..=LONGEST).contains(seconds)).map(Duration::from_secs)
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
                BootInterval::Accepted(Some(Duration::from_secs(LONGEST))),
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
