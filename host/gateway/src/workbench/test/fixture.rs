//! Cases: a TOML file each.

use super::call::Call;
use super::outcome::{Message, Outcome};
use super::text::FrameText;
use ocpp_gateway_core::{Attributes, Identity, Peer, Version};
use ocpp_gateway_pipeline::Clock;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// Steps that one instance of a transform takes, one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What it shows, in one sentence.
    pub(super) about: String,
    /// What the transform is told the time is, RFC 3339; 1970 if absent.
    #[serde(default = "epoch", deserialize_with = "clock")]
    pub(super) clock: Clock,
    /// What `configure` is given.
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    #[serde(default)]
    pub(super) peer: ChargePoint,
    #[serde(rename = "step")]
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChargePoint {
    #[serde(deserialize_with = "identity")]
    id: Identity,
    #[serde(deserialize_with = "version")]
    protocol: Version,
    attributes: BTreeMap<String, String>,
}

impl Default for ChargePoint {
    fn default() -> Self {
        let id = Identity::new("CP1", 3).expect("it is one");
        ChargePoint { id, protocol: Version::V1_6, attributes: BTreeMap::new() }
    }
}

impl From<ChargePoint> for Peer {
    fn from(ChargePoint { id, protocol, attributes }: ChargePoint) -> Self {
        Peer { identity: id, version: protocol, connection: 1, attributes: Attributes::from_iter(attributes) }
    }
}

/// One call, and what it must answer with, in this order.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Step {
    pub(super) call: Call,
    pub(super) expect: Vec<Outcome>,
}

/// A step as it is written: what belongs to which hook is not known yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hook: String,
    frame: Option<FrameText>,
    /// What a frame that is an answer answers.
    action: Option<String>,
    message: Option<Message>,
    reason: Option<String>,
    offer: Option<Offered>,
    expect: Vec<Outcome>,
}

/// Of a charge point that wants to connect: what the peer does not say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Offered {
    pub(super) remote_address: String,
    pub(super) path: String,
    pub(super) protocols: Vec<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) user: Option<String>,
}

impl TryFrom<Written> for Step {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { hook, frame, action, message, reason, offer, expect } = written;
        let mut given = Given { frame: frame.map(FrameText::into_frame), message, reason, offer };
        if let Some(action) = action {
            let frame = given.frame.as_mut().filter(|frame| frame.action.is_none());
            frame.ok_or("`action` is for a frame that is an answer")?.action = Some(action.into());
        }
        let call = match hook.as_str() {
            "uplink" => Call::Uplink(given.frame()?),
            "downlink" => Call::Downlink(given.frame()?),
            "to-mqtt" => Call::ToMqtt(given.frame()?),
            "check" => Call::Check(given.frame()?),
            "outbound" => Call::Outbound(given.message()?.into_publish()),
            "inbound" => Call::Inbound(given.message()?.into_publish()),
            "from-mqtt" => Call::FromMqtt(given.message()?.into_publish()),
            "disconnected" => Call::Disconnected(given.reason.take().unwrap_or_default()),
            "admit" => Call::Admit(given.offer.take().unwrap_or_default()),
            "connected" => Call::Connected,
            "subscriptions" => Call::Subscriptions,
            "schemas" => Call::Schemas,
            _ => return Err(format!("there is no hook {hook:?}: expected one of {HOOKS}")),
        };
        given.is_used_up().map_err(|left| format!("`{left}` is not for the hook {hook}"))?;
        Ok(Step { call, expect })
    }
}

const HOOKS: &str = "uplink, downlink, outbound, inbound, to-mqtt, from-mqtt, subscriptions, admit, connected, \
                     disconnected, check, schemas";

/// What a step gives to its hook; each hook takes what it is for.
struct Given {
    frame: Option<ocpp_gateway_core::Frame<'static>>,
    message: Option<Message>,
    reason: Option<String>,
    offer: Option<Offered>,
}

impl Given {
    fn frame(&mut self) -> Result<ocpp_gateway_core::Frame<'static>, &'static str> {
        self.frame.take().ok_or("this hook takes a `frame`")
    }

    fn message(&mut self) -> Result<Message, &'static str> {
        self.message.take().ok_or("this hook takes a `message`")
    }

    /// The error names what nobody has taken.
    fn is_used_up(&self) -> Result<(), &'static str> {
        let left = [
            ("frame", self.frame.is_some()),
            ("message", self.message.is_some()),
            ("reason", self.reason.is_some()),
            ("offer", self.offer.is_some()),
        ];
        left.into_iter().find(|(_, is_left)| *is_left).map_or(Ok(()), |(name, _)| Err(name))
    }
}

fn epoch() -> Clock {
    Clock::StandsAt(Duration::ZERO)
}

fn clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Clock, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = humantime::parse_rfc3339(&text).map_err(D::Error::custom)?;
    time.duration_since(UNIX_EPOCH).map(Clock::StandsAt).map_err(|_| D::Error::custom("before 1970"))
}

fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Identity, D::Error> {
    /// Longer than any gateway is told to allow.
    const LONGEST: usize = 255;
    Identity::new(&String::deserialize(deserializer)?, LONGEST).map_err(D::Error::custom)
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(text: &str) -> String {
        toml::from_str::<Case>(text).err().unwrap_or_else(|| panic!("read: {text}")).to_string()
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let case = "about = \"-\"\n[[step]]\nhook = \"connected\"\nexpect = [\"pass\"]";
        let case: Case = toml::from_str(case).expect("a case");
        assert_eq!((case.clock, case.config.len()), (Clock::StandsAt(Duration::ZERO), 0));
        let peer = Peer::from(case.peer);
        assert_eq!((peer.identity.as_str(), peer.version), ("CP1", Version::V1_6));
        assert!(matches!(case.steps[..], [Step { call: Call::Connected, .. }]));
    }

    #[test]
    fn everything_can_be_said() {
        let case = r#"
            about = "-"
            clock = "2026-01-02T03:04:05.678Z"
            config = { list = [1, { deep = true }] }
            peer = { id = "A", protocol = "ocpp2.1", attributes = { vendor = "acme" } }
            [[step]]
            hook = "uplink"
            frame = '[3,"1",{}]'
            action = "Reset"
            expect = [
                "pass", { replace = '[3,"1",{}]' }, { publish = { topic = "a", payload = 'x', qos = 2, retain = true } },
                { reply = '{}' }, { reject = { code = "c", description = "d" } }, { drop = "gone" },
            ]
            [[step]]
            hook = "inbound"
            message = { topic = "a", payload = '{}' }
            expect = [{ replace = { topic = "b", payload = '{}' } }, { subscribe = { filter = "a/#" } }]
            [[step]]
            hook = "admit"
            offer = { headers = { host = "x" }, user = "u" }
            expect = [{ accept = {} }, { refuse = { status = 403, reason = "no" } }]
        "#;
        let case: Case = toml::from_str(case).expect("a case");
        assert_eq!(case.clock, Clock::StandsAt(Duration::from_millis(1_767_323_045_678)));
        assert_eq!(Value::Object(case.config), json!({"list": [1, {"deep": true}]}));
        let Call::Uplink(frame) = &case.steps[0].call else { panic!("{:?}", case.steps[0]) };
        assert_eq!(frame.action_name(), "Reset");
        let Call::Inbound(message) = &case.steps[1].call else { panic!("{:?}", case.steps[1]) };
        assert_eq!((message.topic.as_str(), message.qos.level(), message.retain), ("a", 1, false));
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        for (text, wanted) in [
            ("about = \"-\"\nclok = 1", "clok"),
            ("about = \"-\"\nclock = \"today\"", "line 2"),
            ("about = \"-\"\n[[step]]\nhook = \"uplnk\"\nexpect = []", "expected one of uplink"),
            ("about = \"-\"\n[[step]]\nhook = \"uplink\"\nexpect = []", "takes a `frame`"),
            (
                "about = \"-\"\n[[step]]\nhook = \"schemas\"\nreason = \"x\"\nexpect = []",
                "`reason` is not for the hook",
            ),
            ("about = \"-\"\n[[step]]\nhook = \"uplink\"\nframe = '[2,1]'\nexpect = []", "line 4"),
            ("about = \"-\"\n[[step]]\nhook = \"connected\"\nexpect = [{ repl = '{}' }]", "unknown variant `repl`"),
        ] {
            let fault = fault(text);
            assert!(fault.contains(wanted), "{text}: {fault}");
        }
    }
}
