//! The CALLs that a charge point accepts from the back end, and its answers.

use crate::frame::CallError;
use crate::messages::{self, Status, StopReason};
use crate::settings::Setting;
use crate::station::{Ending, Station};
use serde_json::{Value, json};

/// The payload of a CALLRESULT, or a CALLERROR.
pub(crate) type Answer = Result<Value, CallError>;

impl Station {
    /// Carries out one CALL of the back end. Messages that result from it are sent later, by `poll`.
    pub(crate) fn command(&mut self, action: &str, payload: &Value) -> Answer {
        match (action, self.version().is_1_6()) {
            ("Reset", _) => self.reset(payload),
            ("RemoteStartTransaction", true) => self.start_remotely(text(payload, "/idTag")?, None),
            ("RequestStartTransaction", false) => {
                let id = payload.pointer("/remoteStartId").and_then(Value::as_i64);
                self.start_remotely(
                    text(payload, "/idToken/idToken")?,
                    Some(id.ok_or_else(|| missing("remoteStartId"))?),
                )
            }
            ("RemoteStopTransaction", true) | ("RequestStopTransaction", false) => self.stop_remotely(payload),
            ("ChangeAvailability", true) => self.change_availability(text(payload, "/type")?),
            ("ChangeAvailability", false) => self.change_availability(text(payload, "/operationalStatus")?),
            ("GetConfiguration", true) => Ok(self.configuration(payload)),
            ("ChangeConfiguration", true) => self.change_configuration(payload),
            ("GetVariables", false) => {
                self.each_variable(payload, "getVariableData", "getVariableResult", Self::variable)
            }
            ("SetVariables", false) => {
                self.each_variable(payload, "setVariableData", "setVariableResult", Self::set_variable)
            }
            ("TriggerMessage", _) => self.trigger(text(payload, "/requestedMessage")?),
            ("UnlockConnector", _) => Ok(self.unlock()),
            _ => Err(CallError::new("NotImplemented", format!("{action} is not implemented here"))),
        }
    }

    fn reset(&mut self, payload: &Value) -> Answer {
        let reason = match text(payload, "/type")? {
            "Hard" | "Immediate" => StopReason::HardReset,
            _ => StopReason::SoftReset,
        };
        self.stop(reason);
        self.end(Ending::Reboot);
        status("Accepted")
    }

    fn start_remotely(&mut self, token: &str, remote_start_id: Option<i64>) -> Answer {
        if self.transaction().is_some() || !self.is_operative() {
            return status("Rejected");
        }
        self.start(token.to_owned(), remote_start_id);
        status("Accepted")
    }

    fn stop_remotely(&mut self, payload: &Value) -> Answer {
        let wanted = payload.get("transactionId").ok_or_else(|| missing("transactionId"))?;
        if self.transaction().is_none_or(|transaction| transaction.id.as_ref() != Some(wanted)) {
            return status("Rejected");
        }
        self.stop(StopReason::Remote);
        status("Accepted")
    }

    fn change_availability(&mut self, wanted: &str) -> Answer {
        self.set_operative(wanted == "Operative");
        status(if self.transaction().is_some() { "Scheduled" } else { "Accepted" })
    }

    fn configuration(&self, payload: &Value) -> Value {
        let entry =
            |setting: Setting| json!({"key": setting.key(), "readonly": false, "value": self.settings().get(setting)});
        let requested = payload.get("key").and_then(Value::as_array);
        let requested: Vec<&str> = requested.into_iter().flatten().filter_map(Value::as_str).collect();
        if requested.is_empty() {
            return json!({"configurationKey": Setting::ALL.map(entry)});
        }
        let (known, unknown): (Vec<_>, Vec<_>) = requested.into_iter().partition(|key| Setting::by_key(key).is_some());
        let known: Vec<_> = known.into_iter().filter_map(Setting::by_key).map(entry).collect();
        json!({"configurationKey": known, "unknownKey": unknown})
    }

    fn change_configuration(&mut self, payload: &Value) -> Answer {
        let (key, value) = (text(payload, "/key")?, text(payload, "/value")?);
        match Setting::by_key(key) {
            None => status("NotSupported"),
            Some(setting) if self.settings_mut().set(setting, value) => status("Accepted"),
            Some(_) => status("Rejected"),
        }
    }

    /// Answers a list of variables with a list of results.
    fn each_variable(
        &mut self,
        payload: &Value,
        data: &str,
        results: &str,
        one: impl Fn(&mut Self, Option<Setting>, &Value) -> Value,
    ) -> Answer {
        let requested = payload.get(data).and_then(Value::as_array).ok_or_else(|| missing(data))?;
        let mut answers = Vec::new();
        for item in requested {
            let names = (text(item, "/component/name")?, text(item, "/variable/name")?);
            let setting = Setting::ALL.into_iter().find(|setting| setting.variable() == names);
            let mut answer = one(self, setting, item);
            answer["component"] = item["component"].clone();
            answer["variable"] = item["variable"].clone();
            answers.push(answer);
        }
        Ok(json!({results: answers}))
    }

    fn variable(&mut self, setting: Option<Setting>, _: &Value) -> Value {
        match setting {
            Some(setting) => {
                json!({"attributeStatus": "Accepted", "attributeValue": self.settings().get(setting)})
            }
            None => json!({"attributeStatus": "UnknownVariable"}),
        }
    }

    fn set_variable(&mut self, setting: Option<Setting>, item: &Value) -> Value {
        let value = item.get("attributeValue").and_then(Value::as_str).unwrap_or_default();
        let status = match setting {
            None => "UnknownVariable",
            Some(setting) if self.settings_mut().set(setting, value) => "Accepted",
            Some(_) => "Rejected",
        };
        json!({"attributeStatus": status})
    }

    fn trigger(&mut self, requested: &str) -> Answer {
        let version = self.version();
        let call = match requested {
            "BootNotification" => messages::boot(version),
            "Heartbeat" => messages::heartbeat(),
            "StatusNotification" => messages::status(version, self.status()),
            "MeterValues" => messages::meter_values(version, None, self.meter_wh()),
            _ => return status("NotImplemented"),
        };
        self.queue(call);
        status("Accepted")
    }

    fn unlock(&mut self) -> Value {
        if self.transaction().is_some() && !self.version().is_1_6() {
            return json!({"status": "OngoingAuthorizedTransaction"});
        }
        self.stop(StopReason::Unlock);
        json!({"status": "Unlocked"})
    }

    fn set_operative(&mut self, operative: bool) {
        self.operative = operative;
        if self.transaction().is_none() {
            self.report(if operative { Status::Available } else { Status::Unavailable });
        }
    }
}

fn status(status: &str) -> Answer {
    Ok(json!({"status": status}))
}

fn text<'a>(payload: &'a Value, pointer: &str) -> Result<&'a str, CallError> {
    payload.pointer(pointer).and_then(Value::as_str).ok_or_else(|| missing(pointer))
}

fn missing(what: &str) -> CallError {
    CallError::new("ProtocolError", format!("{} is missing", what.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::version::Version;

    fn station(version: Version) -> Station {
        Station::new(version, Settings::default())
    }

    #[test]
    fn configuration_is_read_and_changed() {
        let mut station = station(Version::V1_6);
        let change = json!({"key": "HeartbeatInterval", "value": "17"});
        assert_eq!(station.command("ChangeConfiguration", &change), status("Accepted"));
        let answer = station.command("GetConfiguration", &json!({"key": ["HeartbeatInterval", "Colour"]}));
        assert_eq!(
            answer,
            Ok(json!({
                "configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "17"}],
                "unknownKey": ["Colour"],
            }))
        );
        let zero = json!({"key": "HeartbeatInterval", "value": "0"});
        assert_eq!(station.command("ChangeConfiguration", &zero), status("Rejected"));
    }

    #[test]
    fn variables_are_read_one_by_one() {
        let mut station = station(Version::V2_0_1);
        let known = json!({"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}});
        let unknown = json!({"component": {"name": "Door"}, "variable": {"name": "Open"}});
        let answer = station.command("GetVariables", &json!({"getVariableData": [known, unknown]})).expect("answered");
        assert_eq!(answer["getVariableResult"][0]["attributeValue"], "300");
        assert_eq!(answer["getVariableResult"][1]["attributeStatus"], "UnknownVariable");
        assert_eq!(answer["getVariableResult"][1]["component"]["name"], "Door");
    }

    #[test]
    fn unknown_actions_are_not_implemented() {
        let code = |version, action| station(version).command(action, &json!({})).expect_err("refused").code;
        assert_eq!(code(Version::V1_6, "DataTransfer"), "NotImplemented");
        assert_eq!(code(Version::V1_6, "GetVariables"), "NotImplemented");
        assert_eq!(code(Version::V2_1, "GetConfiguration"), "NotImplemented");
        assert_eq!(code(Version::V2_1, "Reset"), "ProtocolError");
    }

    #[test]
    fn transaction_is_stopped_by_its_id_only() {
        let mut station = station(Version::V2_0_1);
        let start = json!({"idToken": {"idToken": "T", "type": "Central"}, "remoteStartId": 5});
        assert_eq!(station.command("RequestStartTransaction", &start), status("Accepted"));
        assert_eq!(station.command("RequestStartTransaction", &start), status("Rejected"));
        let stop = json!({"transactionId": "another"});
        assert_eq!(station.command("RequestStopTransaction", &stop), status("Rejected"));
        let id = station.transaction().and_then(|transaction| transaction.id.clone()).expect("an id");
        assert_eq!(station.command("RequestStopTransaction", &json!({"transactionId": id})), status("Accepted"));
    }
}
