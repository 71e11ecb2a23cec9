//! What can be put in whose place. Exchanges while messages run are tested with the whole gateway.

use ocpp_gateway_pipeline::{ExchangeError, Pipeline, STANDARD, Source};

#[test]
fn the_mapping_that_nobody_configured_has_a_name_too() {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let sizes = || pipeline.transforms().iter().map(|transform| transform.size).collect::<Vec<_>>();
    let mut another = STANDARD.to_vec();
    // A custom section more.
    another.extend([0, 3, 1, b'n', 0]);

    pipeline.exchange("standard", Some(Source::Bytes(another.clone().into()))).expect("exchanged");
    assert_eq!(sizes(), [another.len()]);
    pipeline.roll_back("standard").expect("rolled back");
    assert_eq!(sizes(), [STANDARD.len()]);
    assert!(matches!(pipeline.exchange("nobody", None), Err(ExchangeError::Unknown(name)) if name == "nobody"));
}
