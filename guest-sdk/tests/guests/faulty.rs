//! A mapping with every fault that a host must contain, for the host's tests. The action of the frame, the text of the
//! message, or the configuration chooses the fault.

use ocpp_transform::{Frame, FrameType, Mapping, Peer, Publish, Refusal, TopicFilter, Transform, clock, export, log};
use std::hint::black_box;

struct Faulty;

impl Transform for Faulty {
    fn configure(config: &str) -> Result<Self, String> {
        match config {
            "refuse" => return Err("nothing is right".into()),
            "panic" => panic!("cannot be configured"),
            "loop" => endless_loop(),
            _ => {}
        }
        log::info("configured");
        Ok(Faulty)
    }
}

impl Mapping for Faulty {
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
        let filter = match peer.id.as_str() {
            id if id.starts_with("HASH") => "#/a".to_owned(),
            id if id.starts_with("ALL") => "#".to_owned(),
            id => format!("down/{id}/+"),
        };
        vec![TopicFilter { filter, qos: 1 }]
    }

    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
        let publish = |topic: &str, payload: Vec<u8>| Publish::new(topic, payload);
        Ok(match frame.action.as_deref().unwrap_or_default() {
            "Loop" => endless_loop(),
            "Hog" => allocate_endlessly(),
            "Recurse" => vec![publish("up", vec![recurse(&frame.payload, 0)])],
            "Panic" => panic!("no such luck"),
            "Flood" => {
                (0..1000).for_each(|line| log::info(&format!("line {line}")));
                Vec::new()
            }
            "Log" => {
                log::log(log::Level::Warn, "odd", &[("payload", &frame.payload)]);
                Vec::new()
            }
            "Clock" => vec![publish("up", format!("{} {}", clock::unix_ms(), clock::monotonic_ns()).into_bytes())],
            "Many" => (0..17).map(|_| publish("up", Vec::new())).collect(),
            "Large" => vec![publish("up", vec![b' '; 300 << 10])],
            "Huge" => (0..16).map(|_| publish("up", vec![b' '; 512 << 10])).collect(),
            "Leak" => {
                std::mem::forget(black_box(vec![1_u8; 20_000]));
                vec![publish("up", Vec::new())]
            }
            "Wildcard" => vec![publish("up/#", Vec::new())],
            "QoS" => vec![Publish { qos: 3, ..publish("up", Vec::new()) }],
            "RefuseWithoutWords" => return Err(Refusal::new("", "")),
            "RefuseAtLength" => return Err(Refusal::new("é".repeat(100), "ä".repeat(1_000))),
            "Refuse" => {
                let details = r#"{"UniqueId":"7"}"#.to_owned();
                return Err(Refusal { details, ..Refusal::new("SecurityError", "not today") });
            }
            _ => vec![publish(&format!("up/{}", peer.id), frame.payload.into_bytes())],
        })
    }

    fn from_mqtt(&self, peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
        if peer.id.starts_with("ALL") {
            return Err(Refusal::new("", "nothing is understood"));
        }
        let result = |id: &str, payload: &str| Frame::new(FrameType::CallResult, id, None, payload);
        Ok(vec![match String::from_utf8_lossy(&message.payload).as_ref() {
            "two values" => result("1", "{} {}"),
            "long id" => result(&"x".repeat(256), "{}"),
            "no action" => Frame::new(FrameType::Call, "1", None, "{}"),
            text => result("1", text),
        }])
    }
}

fn endless_loop() -> ! {
    loop {
        black_box(());
    }
}

fn allocate_endlessly() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[allow(unconditional_recursion)]
fn recurse(text: &str, depth: u32) -> u8 {
    let here = black_box([depth; 64]);
    recurse(text, depth + 1) + here[text.len() % 64] as u8
}

export!(Faulty: Mapping);
