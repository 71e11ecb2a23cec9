//! A transform with every hook except the mapping, for the host's tests. It passes everything on, but one hook does
//! what the configuration says, such as `{"hook":"uplink","does":"panic"}`. It does so for charge points whose id
//! begins with `BAD`, or with `to`, so that the transform passes its trial and other charge points are served.

use ocpp_transform::{
    Acceptance, Admission, CallError, Decision, Downlink, Events, Frame, FrameAction, FrameType, Inbound, Offer,
    Outbound, Peer, Publish, PublishAction, Rejection, Rule, Transform, Uplink, Validation, clock, export, log,
    metrics, read_config, state,
};
use std::hint::black_box;

const PASS: &str = "pass";

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EveryHook {
    hook: String,
    does: String,
    #[serde(default = "bad")]
    to: String,
}

fn bad() -> String {
    "BAD".into()
}

impl EveryHook {
    /// What `hook` has to do. What any hook can do is done here already.
    fn behaviour(&self, hook: &str, charge_point: &str) -> &str {
        if self.hook != hook || !charge_point.starts_with(&self.to) {
            return PASS;
        }
        match self.does.as_str() {
            "panic" => panic!("no such luck"),
            "loop" => loop {
                black_box(());
            },
            "take 9 ms" => spin(9),
            "take 18 ms" => spin(18),
            "take memory" => drop(black_box(vec![1_u8; 1 << 30])),
            "log" => log::warn("odd"),
            "count with many labels" => count(4_000),
            _ => {}
        }
        &self.does
    }
}

/// Uses the CPU for longer than a message may take.
fn spin(milliseconds: u64) {
    let until = clock::monotonic_ns() + milliseconds * 1_000_000;
    while clock::monotonic_ns() < until {}
}

impl Transform for EveryHook {
    fn configure(config: &str) -> Result<Self, String> {
        let this: Self = read_config(config)?;
        if this.does == "count with many labels while configured" {
            count(4_000);
        }
        Ok(this)
    }
}

impl Uplink for EveryHook {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        frame_actions(self.behaviour("uplink", &peer.id), peer, frame)
    }
}

impl Downlink for EveryHook {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        frame_actions(self.behaviour("downlink", &peer.id), peer, frame)
    }
}

impl Outbound for EveryHook {
    fn handle(&self, peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let behaviour = self.behaviour("outbound", &peer.id);
        if behaviour == "publish twice" {
            return vec![PublishAction::Pass, PublishAction::Replace(Publish::new("second", message.payload))];
        }
        if behaviour == "replace with the attributes" {
            let mut attributes = message.attributes;
            attributes.sort();
            let text = format!("{attributes:?}");
            // What a transform sets itself stays for the next one, but for the names that are the gateway's.
            attributes.push(("own".into(), "1".into()));
            attributes.push(("action".into(), "forged".into()));
            return vec![PublishAction::Replace(Publish { attributes, ..Publish::new(message.topic, text) })];
        }
        if behaviour == "panic on the second" && message.topic == "second" {
            panic!("one too many");
        }
        publish_actions(behaviour, peer)
    }
}

impl Inbound for EveryHook {
    fn handle(&self, peer: &Peer, _message: Publish) -> Vec<PublishAction> {
        publish_actions(self.behaviour("inbound", &peer.id), peer)
    }
}

impl Admission for EveryHook {
    fn admit(&self, offer: Offer) -> Decision {
        let refuse = |status| Decision::Refuse(Rejection { status, reason: "not one of ours".into() });
        let accept = |attributes| Decision::Accept(Acceptance { attributes });
        match self.behaviour("admission", &offer.id) {
            "refuse" => refuse(403),
            "refuse with 200" => refuse(200),
            "refuse at length" => Decision::Refuse(Rejection { status: 403, reason: "ä".repeat(1_000) }),
            "accept with 12000 attributes" => accept(vec![(String::new(), String::new()); 12_000]),
            "name the vendor" => accept(vec![("vendor".into(), "acme".into())]),
            "tell what it sees" => {
                let user = offer.user.map(|user| ("user".to_owned(), user));
                let given = offer.attributes.into_iter().map(|(name, value)| (format!("given {name}"), value));
                accept(user.into_iter().chain(given).chain(offer.headers).collect())
            }
            _ => accept(Vec::new()),
        }
    }
}

impl Events for EveryHook {
    fn connected(&self, peer: &Peer) -> Vec<Publish> {
        event(self.behaviour("events", &peer.id), peer, "connected")
    }

    fn disconnected(&self, peer: &Peer, reason: &str) -> Vec<Publish> {
        event(self.behaviour("events", &peer.id), peer, reason)
    }
}

impl Validation for EveryHook {
    fn schemas(&self) -> Vec<Rule> {
        let doubled = || {
            let next = |level| format!(r##"{{"$ref":"#/definitions/d{level}"}}"##);
            let double = |level| format!(r#""d{level}":{{"allOf":[{0},{0}]}},"#, next(level + 1));
            let definitions: String = (0..40).map(double).collect();
            format!(r##"{{"$ref":"#/definitions/d0","definitions":{{{definitions}"d40":{{}}}}}}"##)
        };
        let doubled = if self.does == "double forty times" { doubled() } else { String::new() };
        let (action, schema) = match self.does.as_str() {
            "double forty times" => ("DataTransfer", doubled.as_str()),
            "double with each level" => (
                "DataTransfer",
                r##"{"properties":{"next":{"allOf":[{"$ref":"#"},{"$ref":"#"}]},"a":{"$ref":"#/properties/next"}}}"##,
            ),
            "double with each level of the payload" => {
                ("DataTransfer", r##"{"properties":{"next":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##)
            }
            "require idTag" => ("Authorize", r#"{"required":["idTag"]}"#),
            "require another idTag instead" => ("Authorize", r#"{"x-replaces":true,"required":["otherTag"]}"#),
            "know how to make coffee" => ("MakeCoffee", r#"{"required":["beans"]}"#),
            _ => return Vec::new(),
        };
        vec![Rule { protocol: "ocpp1.6".into(), action: action.into(), type_: FrameType::Call, schema: schema.into() }]
    }

    fn check(&self, peer: &Peer, _frame: &Frame) -> Option<CallError> {
        rejection(self.behaviour("validation", &peer.id))
    }
}

fn frame_actions(behaviour: &str, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
    if let Some(error) = rejection(behaviour) {
        return vec![FrameAction::Reject(error)];
    }
    if let Some(publish) = publish(behaviour, peer) {
        return vec![FrameAction::Publish(publish), FrameAction::Pass];
    }
    vec![match behaviour {
        "nothing" => return Vec::new(),
        "drop" => FrameAction::Drop("no reason".into()),
        "rename" => FrameAction::Replace(Frame { id: format!("new-{}", frame.id), ..frame }),
        "rename back" => {
            let id = frame.id.strip_prefix("new-").unwrap_or(&frame.id).to_owned();
            FrameAction::Replace(Frame { id, ..frame })
        }
        "reply" => FrameAction::Reply(r#"{"from":"the edge"}"#.into()),
        "reply with a list" => FrameAction::Reply("[]".into()),
        "replace with a list" => FrameAction::Replace(Frame { payload: "[]".into(), ..frame }),
        "replace without an id" => FrameAction::Replace(Frame { id: String::new(), ..frame }),
        "mend" => FrameAction::Replace(mended(frame)),
        "spoil" => FrameAction::Replace(Frame { payload: r#"{"spoilt":true}"#.into(), ..frame }),
        "replace with many attributes" => {
            FrameAction::Replace(Frame { attributes: vec![(String::new(), String::new()); 129], ..frame })
        }
        "replace without an action" => FrameAction::Replace(Frame { action: None, ..frame }),
        _ => FrameAction::Pass,
    }]
}

/// A frame that complies with the published schemas.
fn mended(frame: Frame) -> Frame {
    let payload = match (&frame.type_, frame.action.as_deref()) {
        (FrameType::CallResult, _) => r#"{"status":"Accepted"}"#,
        (_, Some("Authorize")) => r#"{"idTag":"mended"}"#,
        _ => "{}",
    };
    Frame { payload: payload.into(), ..frame }
}

/// Counts one series with this many labels.
fn count(labels: usize) {
    let labels: Vec<_> = (0..labels).map(|number| (format!("l{number}"), String::new())).collect();
    metrics::count("labelled", 1, &labels);
}

fn publish_actions(behaviour: &str, peer: &Peer) -> Vec<PublishAction> {
    if let Some(publish) = publish(behaviour, peer) {
        return vec![PublishAction::Replace(publish)];
    }
    match behaviour {
        "nothing" => Vec::new(),
        "drop" => vec![PublishAction::Drop("no reason".into())],
        _ => vec![PublishAction::Pass],
    }
}

fn rejection(behaviour: &str) -> Option<CallError> {
    match behaviour {
        "reject" => Some(CallError::new("SecurityError", "not today")),
        "reject at length" => Some(CallError::new("é".repeat(100), "ä".repeat(1_000))),
        "reject without a code" => Some(CallError::new("", "not today")),
        _ => None,
    }
}

fn event(behaviour: &str, peer: &Peer, what: &str) -> Vec<Publish> {
    let news = || Publish::new(format!("ocpp/cp/{}/news", peer.id), what);
    let publish = if behaviour == "publish the event" { Some(news()) } else { publish(behaviour, peer) };
    publish.into_iter().collect()
}

/// A message that no broker accepts, or one with a result for the test.
fn publish(behaviour: &str, peer: &Peer) -> Option<Publish> {
    let no_news = |topic: &str| Some(Publish::new(topic, ""));
    let news = |text: String| Some(Publish::new(format!("ocpp/cp/{}/news", peer.id), text));
    match behaviour {
        "publish with a wildcard" => no_news("news/#"),
        "publish with a NUL" => no_news("news/\0"),
        "publish without a topic" => no_news(""),
        "publish with many attributes" => {
            Some(Publish { attributes: vec![(String::new(), String::new()); 129], ..Publish::new("news", "") })
        }
        "publish with a long topic" => no_news(&"x".repeat(70_000)),
        "publish a second" => no_news("second"),
        "publish the attributes" => news(format!("{:?}", peer.attributes)),
        "keep many values" => news(keep(100_000, b"")),
        "keep large values" => news(keep(1_000, &[0; 1_000])),
        "keep a huge value" => news(keep(1, &vec![0; 2_000_000])),
        _ => None,
    }
}

/// Stores a value under this many keys of 5 bytes. Returns how many of them the gateway accepted.
fn keep(keys: usize, value: &[u8]) -> String {
    let kept = (0..keys).filter(|key| state::set(&format!("{key:05}"), value, None).is_ok()).count();
    format!("{kept} kept")
}

export!(EveryHook: Uplink, Downlink, Outbound, Inbound, Admission, Events, Validation);
