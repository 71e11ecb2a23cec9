//! The component that ships with the gateway, run by the real engine.

mod common;

use common::{frame, from_mqtt, peer, to_mqtt};
use ocpp_gateway_core::{Publish, QoS, TopicFilter};
use ocpp_gateway_pipeline::{Failure, Message, Pipeline, STANDARD, TransformSpec};
use std::thread;
use wasmtime::Engine;
use wasmtime::component::Component;

fn standard() -> Pipeline {
    Pipeline::load(Vec::new()).expect("the standard transform loads")
}

fn down(text: &str) -> Publish {
    Publish { topic: "ocpp/cs/CP1".into(), payload: text.into(), ..Publish::default() }
}

#[test]
fn standard_transform_imports_only_the_package_of_the_gateway() {
    let engine = Engine::default();
    let component = Component::new(&engine, STANDARD).expect("a component");
    let ty = component.component_type();
    let imports: Vec<_> = ty.imports(&engine).map(|(name, _)| name).collect();
    assert!(imports.iter().all(|name| name.starts_with("ocpp-gateway:transform/")), "{imports:?}");
}

#[test]
fn messages_of_the_tutorial_are_mapped() {
    let (pipeline, peer) = (standard(), peer("chargePointSim"));
    assert_eq!(
        pipeline.subscriptions(&pipeline.newest(), &peer),
        Ok(vec![TopicFilter { filter: "ocpp/cs/chargePointSim".into(), qos: QoS::AtLeastOnce }])
    );
    let boot = r#"[2,"1200012677","BootNotification",{"chargePointVendor":"vendor1","chargePointModel":"model1"}]"#;
    let published = to_mqtt(&pipeline, &peer, &frame(boot)).expect("mapped");
    let expected = r#"{"MessageTypeId":2,"UniqueId":"1200012677","Action":"BootNotification","Payload":{"chargePointVendor":"vendor1","chargePointModel":"model1"}}"#;
    assert_eq!(
        published,
        [Publish { topic: "ocpp/cp/chargePointSim".into(), payload: expected.into(), ..Publish::default() }]
    );
    let answer = down(
        r#"{"MessageTypeId":3,"UniqueId":"1200012677","Payload":{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"},"Action":"BootNotification"}"#,
    );
    let frames = from_mqtt(&pipeline, &peer, &Message::from(&answer)).expect("mapped");
    assert_eq!(
        frames[0].encode(),
        r#"[3,"1200012677",{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"}]"#
    );
}

#[test]
fn frame_with_a_large_error_description_is_mapped() {
    let (pipeline, peer) = (standard(), peer("CP1"));
    let long = "x".repeat(300 << 10);
    let text = format!(r#"[4,"a","InternalError","{long}",{{}}]"#);
    let published = to_mqtt(&pipeline, &peer, &frame(&text)).expect("mapped");
    assert!(published[0].payload.len() > long.len());
}

#[test]
fn every_type_of_frame_survives_the_mapping_in_both_directions() {
    let (pipeline, peer) = (standard(), peer("CP1"));
    for text in [
        r#"[2,"a","MeterValues",{ "b" : 1.0, "a" : 1e3, "ä":"\u00e4\"" }]"#,
        r#"[3,"a",{}]"#,
        r#"[4,"a","InternalError","no \"luck\"\n",{"x":null}]"#,
        r#"[5,"a","FormatViolation","",{}]"#,
        r#"[6,"a","NotifyPeriodicEventStream",{"id":1}]"#,
    ] {
        let published = to_mqtt(&pipeline, &peer, &frame(text)).expect("mapped");
        let back = from_mqtt(&pipeline, &peer, &Message::from(&published[0])).expect("mapped back");
        assert_eq!(back[0].encode(), text);
    }
}

#[test]
fn payload_of_a_megabyte_passes_in_both_directions() {
    let (pipeline, peer) = (standard(), peer("CP1"));
    let text = format!(r#"[2,"a","DataTransfer",{{"data":"{}"}}]"#, "x".repeat(1 << 20));
    let published = to_mqtt(&pipeline, &peer, &frame(&text)).expect("mapped");
    let back = from_mqtt(&pipeline, &peer, &Message::from(&published[0])).expect("mapped back");
    assert_eq!(back[0].encode(), text);
}

#[test]
fn refusal_of_a_message_has_its_message_id_if_it_can_be_read() {
    let (pipeline, peer) = (standard(), peer("CP1"));
    let refused = |text| match from_mqtt(&pipeline, &peer, &Message::from(&down(text))) {
        Err(Failure::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let refusal = refused(r#"{"MessageTypeId":2,"UniqueId":"17"}"#);
    assert_eq!(refusal.message_id().as_deref(), Some("17"));
    assert_eq!(refused("garbage").message_id().as_deref(), Some(""));
}

#[test]
fn configuration_changes_topics_qos_and_retain() {
    let config = r#"{"mountpoint": "site/", "uplink": {"qos": 2, "retain": true}}"#.to_owned();
    let pipeline = Pipeline::load(vec![TransformSpec { config, ..TransformSpec::standard() }]).expect("loads");
    let published = to_mqtt(&pipeline, &peer("CP1"), &frame(r#"[2,"a","Heartbeat",{}]"#)).expect("mapped");
    let Publish { topic, qos, retain, .. } = &published[0];
    assert_eq!((topic.as_str(), *qos, *retain), ("site/cp/CP1", QoS::ExactlyOnce, true));
}

#[test]
fn threads_share_a_pipeline_and_its_counts() {
    let pipeline = standard();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let pipeline = pipeline.clone();
            thread::spawn(move || {
                let peer = peer(&format!("CP{worker}"));
                for _ in 0..100 {
                    let published = to_mqtt(&pipeline, &peer, &frame(r#"[2,"a","Heartbeat",{}]"#)).expect("mapped");
                    assert_eq!(published[0].topic, format!("ocpp/cp/CP{worker}"));
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().expect("a thread ends well"));
    let status = pipeline.transforms().remove(0);
    assert_eq!((status.name.as_str(), status.component.as_str()), ("standard", "builtin:standard"));
    assert_eq!((status.built_as.as_str(), status.size), ("ocpp-transform-standard", STANDARD.len()));
    assert_eq!((status.calls, status.refusals, status.failures), (400, 0, 0));
    // One of 16 for each thread; a thread goes on with the counts of one that has ended.
    assert!((4 * (100 / 16)..=400 / 16).contains(&status.timed_calls), "{}", status.timed_calls);
}
