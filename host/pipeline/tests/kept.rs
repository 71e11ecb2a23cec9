//! Components that were built against earlier versions of the WIT package, which later gateways still run. (Those with
//! an interpreter take a release build to be compiled in reasonable time: `.ci/languages`.)

mod common;

use common::{frame, peer, spec, to_mqtt};
use ocpp_gateway_pipeline::Pipeline;
use std::path::Path;

#[test]
fn mapping_built_against_1_0_0_still_maps() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wit-1.0.0/standard.wasm");
    let pipeline = Pipeline::load(vec![spec(kept)]).expect("it loads");
    let publishes = to_mqtt(&pipeline, &peer("CP1"), &frame(r#"[2,"1","Heartbeat",{}]"#)).expect("a message");
    assert_eq!((publishes.len(), publishes[0].topic.as_str()), (1, "ocpp/cp/CP1"));
    assert_eq!(publishes[0].payload, br#"{"MessageTypeId":2,"UniqueId":"1","Action":"Heartbeat","Payload":{}}"#);
}
