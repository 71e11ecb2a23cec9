//! What can be put in whose place. Exchanges while messages run are tested with the whole gateway.

mod common;

use common::peer;
use ocpp_gateway_core::Peer;
use ocpp_gateway_pipeline::{ExchangeError, ExchangeOutcome, Failure, Pipeline, STANDARD, Source};
use ocpp_gateway_testkit::guest;
use std::sync::mpsc;
use std::time::Duration;

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

#[test]
fn a_mapping_that_does_not_name_its_topics_is_taken_back() {
    type Ask = dyn Fn(&Pipeline, &Peer) -> Vec<Option<Failure>>;
    let faulty = guest::build("faulty", env!("CARGO_TARGET_TMPDIR"));
    // A filter of its for this charge point is none.
    let unlucky = peer("HASH");
    let once = |pipeline: &Pipeline, peer: &Peer| vec![pipeline.subscriptions_anew(&pipeline.newest(), peer).err()];
    let until_it_is_stopped = |pipeline: &Pipeline, peer: &Peer| {
        (0..10).map(|_| pipeline.subscriptions(&pipeline.newest(), peer).err()).collect()
    };
    let asked: [&Ask; 2] = [&once, &until_it_is_stopped];
    for ask in asked {
        let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
        let (notify, noticed) = mpsc::channel();
        pipeline.on_exchange(move |outcome| notify.send(outcome).expect("heard"));
        let generation = pipeline.newest_number();
        pipeline.exchange("standard", Some(Source::File(faulty.clone()))).expect("exchanged");
        assert_ne!(pipeline.newest_number(), generation);
        assert!(pipeline.subscriptions_anew(&pipeline.newest(), &peer("CP1")).is_ok());

        let failures = ask(&pipeline, &unlucky);
        assert!(failures.iter().all(|failure| matches!(failure, Some(Failure::Guest(_)))), "{failures:?}");
        let next = || noticed.recv_timeout(Duration::from_secs(20)).expect("an exchange in time");
        assert_eq!([next(), next()], [ExchangeOutcome::Exchanged, ExchangeOutcome::RolledBack]);
        let status = pipeline.transforms().remove(0);
        assert_eq!((status.component.as_str(), status.previous), ("builtin:standard", None));
        assert!(pipeline.subscriptions(&pipeline.newest(), &unlucky).is_ok());
    }
}
