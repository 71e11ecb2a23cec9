//! Reads facts from payloads, liberally: a member of another type is as good as none, and unknown members are ignored.
//! Nothing is copied but what is kept.

use jiff::Timestamp;
use ocpp_gateway_core::Version;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// The longest text that is kept, in bytes. The specifications allow 50 characters.
const MAX_TEXT: usize = 64;

/// How old the time in a StatusNotification may be. Charge points send what they could not send before; a clock that
/// was never set shows a time that is decades old.
const MAX_AGE: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a BootNotification says about the charge point.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Boot {
    pub vendor: Option<Box<str>>,
    pub model: Option<Box<str>>,
    pub firmware: Option<Box<str>>,
    pub serial: Option<Box<str>>,
}

/// The status of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// `None` in OCPP 1.6.
    pub evse: Option<u32>,
    /// In OCPP 1.6, 0 is the charge point itself.
    pub connector: u32,
    /// Borrowed if the specification has it.
    pub status: Cow<'static, str>,
    /// In OCPP 1.6.
    pub error_code: Option<Cow<'static, str>>,
    /// The time that the charge point gave, or when its message arrived.
    pub at: SystemTime,
}

/// A member of any type.
type Member<'a> = Option<&'a RawValue>;

/// BootNotification of OCPP 1.6.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Boot16<'a> {
    #[serde(borrow)]
    charge_point_vendor: Member<'a>,
    #[serde(borrow)]
    charge_point_model: Member<'a>,
    #[serde(borrow)]
    firmware_version: Member<'a>,
    #[serde(borrow)]
    charge_point_serial_number: Member<'a>,
    /// Deprecated, but sent by many.
    #[serde(borrow)]
    charge_box_serial_number: Member<'a>,
}

/// BootNotification of later versions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Boot2<'a> {
    #[serde(borrow)]
    charging_station: Member<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChargingStation<'a> {
    #[serde(borrow)]
    vendor_name: Member<'a>,
    #[serde(borrow)]
    model: Member<'a>,
    #[serde(borrow)]
    firmware_version: Member<'a>,
    #[serde(borrow)]
    serial_number: Member<'a>,
}

/// StatusNotification of all versions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    evse_id: Member<'a>,
    #[serde(borrow)]
    connector_id: Member<'a>,
    /// OCPP 1.6.
    #[serde(borrow)]
    status: Member<'a>,
    /// OCPP 1.6.
    #[serde(borrow)]
    error_code: Member<'a>,
    /// Later versions.
    #[serde(borrow)]
    connector_status: Member<'a>,
    #[serde(borrow)]
    timestamp: Member<'a>,
}

/// Reads a BootNotification. `None`: it says nothing about the charge point.
pub(super) fn boot(version: Version, payload: &str) -> Option<Boot> {
    let kept = |member| text(member).map(|text| Box::from(&*text));
    let boot = if version == Version::V1_6 {
        let boot: Boot16<'_> = serde_json::from_str(payload).ok()?;
        Boot {
            vendor: kept(boot.charge_point_vendor),
            model: kept(boot.charge_point_model),
            firmware: kept(boot.firmware_version),
            serial: kept(boot.charge_point_serial_number).or_else(|| kept(boot.charge_box_serial_number)),
        }
    } else {
        let boot: Boot2<'_> = serde_json::from_str(payload).ok()?;
        let station: ChargingStation<'_> = serde_json::from_str(boot.charging_station?.get()).ok()?;
        Boot {
            vendor: kept(station.vendor_name),
            model: kept(station.model),
            firmware: kept(station.firmware_version),
            serial: kept(station.serial_number),
        }
    };
    (boot != Boot::default()).then_some(boot)
}

/// Reads a StatusNotification that arrived `now`. `None`: it names no connector or no status.
pub(super) fn connector(version: Version, payload: &str, now: SystemTime) -> Option<Connector> {
    let status: Status<'_> = serde_json::from_str(payload).ok()?;
    let is_old = version == Version::V1_6;
    Some(Connector {
        evse: if is_old { None } else { Some(number(status.evse_id)?) },
        connector: number(status.connector_id)?,
        status: shared(text(if is_old { status.status } else { status.connector_status })?),
        error_code: text(status.error_code).filter(|_| is_old).map(shared),
        at: time(status.timestamp, now).unwrap_or(now),
    })
}

/// The text of a member, trimmed and cut. `None`: it is missing, empty, or neither a text nor a number. Serial numbers are
/// often sent as numbers.
fn text(member: Member<'_>) -> Option<Cow<'_, str>> {
    let raw = member?.get();
    let text = match raw.as_bytes().first()? {
        b'"' => match serde_json::from_str(raw) {
            Ok(text) => Cow::Borrowed(cut(text)),
            // With escapes.
            Err(_) => Cow::Owned(cut(&serde_json::from_str::<String>(raw).ok()?).to_owned()),
        },
        b'-' | b'0'..=b'9' => Cow::Borrowed(cut(raw)),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn cut(text: &str) -> &str {
    let text = text.trim();
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// A number, as a number or as a text.
fn number(member: Member<'_>) -> Option<u32> {
    text(member)?.parse().ok()
}

/// A time with its zone that is not in the future.
fn time(member: Member<'_>, now: SystemTime) -> Option<SystemTime> {
    let time: Timestamp = text(member)?.parse().ok()?;
    let time = Some(SystemTime::from(time)).filter(|time| *time >= SystemTime::UNIX_EPOCH)?;
    now.duration_since(time).is_ok_and(|age| age <= MAX_AGE).then_some(time)
}

/// The names of the specifications need no memory of their own.
fn shared(text: Cow<'_, str>) -> Cow<'static, str> {
    match NAMES.iter().find(|name| **name == text) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(text.into_owned()),
    }
}

/// The statuses (OCPP 1.6 section 7.7; 2.0.1 part 2, ConnectorStatusEnumType), and the error codes (1.6 section 7.6).
const NAMES: [&str; 26] = [
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
    "Occupied",
    "NoError",
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
];
