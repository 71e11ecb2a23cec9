//! Scripts of charge points: the same CALL repeatedly, or the CALLs of a day.

use std::fmt::Write as _;
use std::sync::Arc;

/// The CALLs of a charge point, in order, repeated without end.
#[derive(Debug, Clone)]
pub(crate) struct Script(Arc<[Request]>);

/// One CALL without its message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) action: &'static str,
    /// JSON text.
    pub(crate) payload: String,
}

impl Request {
    fn new(action: &'static str, payload: impl Into<String>) -> Self {
        Request { action, payload: payload.into() }
    }

    /// The OCPP-J frame.
    pub(crate) fn frame(&self, id: &str) -> String {
        let Request { action, payload } = self;
        format!(r#"[2,"{id}","{action}",{payload}]"#)
    }
}

/// Minutes in a day.
const DAY: u32 = 24 * 60;
const HEARTBEAT_EVERY: u32 = 5;
/// The minutes of the day at which a car starts charging.
const SESSIONS: [u32; 4] = [7 * 60 + 12, 12 * 60 + 3, 17 * 60 + 41, 21 * 60 + 18];
/// Duration of charging in minutes, with meter values in each minute.
const CHARGING: u32 = 60;

impl Script {
    pub(crate) fn heartbeats() -> Self {
        Script([Request::new("Heartbeat", "{}")].into())
    }

    /// Frames of 110 to 120 bytes.
    pub(crate) fn statuses() -> Self {
        Script([status(1, "Charging")].into())
    }

    /// A charge point's day in OCPP 1.6: it boots, sends a Heartbeat every five minutes, and charges four cars for an
    /// hour each, with 1.5 KB of meter values every minute. Every fifth CALL is one of a status or a transaction.
    pub(crate) fn day() -> Self {
        let mut timeline = vec![(0, boot()), (0, status(0, "Available")), (0, status(1, "Available"))];
        timeline.extend((HEARTBEAT_EVERY..DAY).step_by(HEARTBEAT_EVERY as usize).map(|minute| (minute, heartbeat())));
        timeline.extend(SESSIONS.into_iter().flat_map(session));
        timeline.sort_by_key(|(minute, _)| *minute);
        Script(timeline.into_iter().map(|(_, request)| request).collect())
    }

    /// CALL number `number` of a charge point. Each charge point begins at another place, so that they send different
    /// CALLs.
    pub(crate) fn request(&self, charge_point: usize, number: u64) -> &Request {
        const APART: u64 = 7919;
        let place = (charge_point as u64).wrapping_mul(APART).wrapping_add(number) % self.0.len() as u64;
        &self.0[place as usize]
    }
}

pub(crate) fn boot() -> Request {
    Request::new("BootNotification", r#"{"chargePointVendor":"vendor1","chargePointModel":"model1"}"#)
}

fn heartbeat() -> Request {
    Request::new("Heartbeat", "{}")
}

fn status(connector: u32, status: &str) -> Request {
    Request::new(
        "StatusNotification",
        format!(r#"{{"connectorId":{connector},"errorCode":"NoError","status":"{status}"}}"#),
    )
}

fn session(start: u32) -> Vec<(u32, Request)> {
    let end = start + CHARGING;
    let mut requests = vec![
        (start, status(1, "Preparing")),
        (start, Request::new("Authorize", r#"{"idTag":"TAG-0001"}"#)),
        (
            start,
            Request::new(
                "StartTransaction",
                r#"{"connectorId":1,"idTag":"TAG-0001","meterStart":1000,"timestamp":"2026-01-01T07:12:00Z"}"#,
            ),
        ),
        (start, status(1, "Charging")),
        (
            end,
            Request::new(
                "StopTransaction",
                r#"{"transactionId":1,"idTag":"TAG-0001","meterStop":12000,"timestamp":"2026-01-01T08:12:00Z","reason":"Local"}"#,
            ),
        ),
        (end, status(1, "Finishing")),
        (end + 1, status(1, "Available")),
    ];
    requests.extend((start + 1..end).map(|minute| (minute, meter_values(minute))));
    requests
}

/// MeterValues of 1.5 KB, as a charge point with three phases sends them.
fn meter_values(minute: u32) -> Request {
    let mut sampled = String::new();
    let phases = [
        ("Voltage", "V", 230),
        ("Current.Import", "A", 16),
        ("Power.Active.Import", "W", 3600),
        ("Power.Offered", "W", 3700),
    ];
    for (measurand, unit, value) in phases {
        for phase in 1..=3 {
            let _ = write!(
                sampled,
                r#"{{"value":"{value}.{phase}","context":"Sample.Periodic","measurand":"{measurand}","phase":"L{phase}","unit":"{unit}"}},"#
            );
        }
    }
    sampled += r#"{"value":"31","context":"Sample.Periodic","measurand":"Temperature","unit":"Celsius"},"#;
    let _ =
        write!(sampled, r#"{{"value":"{}","measurand":"Energy.Active.Import.Register","unit":"Wh"}}"#, 1000 + minute);
    Request::new(
        "MeterValues",
        format!(
            r#"{{"connectorId":1,"transactionId":1,"meterValue":[{{"timestamp":"2026-01-01T{:02}:{:02}:00Z","sampledValue":[{sampled}]}}]}}"#,
            minute / 60 % 24,
            minute % 60
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn day_has_the_documented_number_of_calls() {
        let Script(day) = Script::day();
        let mut count = BTreeMap::new();
        for request in day.iter() {
            *count.entry(request.action).or_insert(0) += 1;
            assert!(
                serde_json::from_str::<serde_json::Value>(&request.payload).is_ok_and(|payload| payload.is_object())
            );
        }
        let expected = [
            ("Authorize", 4),
            ("BootNotification", 1),
            ("Heartbeat", 287),
            ("MeterValues", 236),
            ("StartTransaction", 4),
            ("StatusNotification", 18),
            ("StopTransaction", 4),
        ];
        assert_eq!(count, BTreeMap::from(expected));
        let starts: Vec<_> =
            day.iter().map(|request| request.action).filter(|action| action.ends_with("Transaction")).collect();
        assert_eq!(starts[..2], ["StartTransaction", "StopTransaction"]);
    }

    #[test]
    fn frames_have_the_documented_sizes() {
        let length = |request: &Request| request.frame("CP00001-00000000000000000001").len();
        let meter_values = length(&meter_values(0));
        assert!((1450..1650).contains(&meter_values), "{meter_values}");
        let status = length(Script::statuses().request(0, 0));
        assert!((105..125).contains(&status), "{status}");
    }

    #[test]
    fn each_charge_point_starts_at_its_own_place_in_the_script() {
        let day = Script::day();
        assert_ne!(day.request(0, 3), day.request(1, 3));
        assert_eq!(day.request(5, 0), day.request(5, day.0.len() as u64));
        assert_eq!(Script::heartbeats().request(17, 4), &heartbeat());
    }
}
