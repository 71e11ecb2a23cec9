//! What can be put in whose place. Exchanges while messages run are tested with the whole gateway.

mod common;

use common::peer;
use ocpp_gateway_pipeline::{
    Candidate, ExchangeError, ExchangeOutcome, Pipeline, STANDARD, Samples, Source, TransformSpec,
};
use ocpp_gateway_testkit::{PATIENCE, guest};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The standard mapping with a custom section more: another component that does the same.
fn another(number: u8) -> Vec<u8> {
    [STANDARD, &[0, 3, 1, b'n', number]].concat()
}

/// Samples that take until the test lets them end.
#[derive(Debug)]
struct SlowSamples {
    begun: Mutex<Sender<()>>,
    may_end: Mutex<Receiver<()>>,
}

impl Samples for SlowSamples {
    fn try_on(&self, _: &Candidate<'_>) -> Result<(), String> {
        self.begun.lock().expect("no panic").send(()).map_err(|error| error.to_string())?;
        self.may_end.lock().expect("no panic").recv_timeout(PATIENCE).map_err(|error| error.to_string())
    }
}

#[test]
fn rollback_does_not_wait_for_a_load_and_the_load_does_not_undo_it() {
    let ((begun, begins), (let_end, may_end)) = (mpsc::channel(), mpsc::channel());
    let samples: Arc<dyn Samples> = Arc::new(SlowSamples { begun: begun.into(), may_end: may_end.into() });
    let spec = TransformSpec { samples: Some(samples), ..TransformSpec::standard() };
    // The first version, and the second one.
    (0..2).for_each(|_| let_end.send(()).expect("heard"));
    let pipeline = Pipeline::load(vec![spec]).expect("loaded");
    let exchange = |number| pipeline.exchange("standard", Some(Source::Bytes(another(number).into())));
    let runs = || pipeline.transforms().remove(0).component;
    exchange(1).expect("exchanged");
    (0..2).for_each(|_| begins.recv().expect("begun"));

    std::thread::scope(|scope| {
        let loading = scope.spawn(|| exchange(2));
        begins.recv_timeout(PATIENCE).expect("it is being loaded");
        pipeline.roll_back("standard").expect("rolled back");
        assert_eq!(runs(), "builtin:standard");
        let_end.send(()).expect("heard");
        let overtaken = loading.join().expect("no panic");
        assert!(matches!(overtaken, Err(ExchangeError::Overtaken(name)) if name == "standard"));
    });
    assert_eq!(runs(), "builtin:standard");
    let fault = pipeline.transforms().remove(0).last_fault.expect("a fault");
    assert!(fault.contains("rolled back"), "{fault}");

    // The next one is loaded after the rollback.
    let_end.send(()).expect("heard");
    exchange(3).expect("exchanged");
    assert!(runs().starts_with("upload"), "{}", runs());
}

#[test]
fn the_mapping_that_nobody_configured_has_a_name_too() {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let sizes = || pipeline.transforms().iter().map(|transform| transform.size).collect::<Vec<_>>();
    let another = another(0);

    pipeline.exchange("standard", Some(Source::Bytes(another.clone().into()))).expect("exchanged");
    assert_eq!(sizes(), [another.len()]);
    pipeline.roll_back("standard").expect("rolled back");
    assert_eq!(sizes(), [STANDARD.len()]);
    assert!(matches!(pipeline.exchange("nobody", None), Err(ExchangeError::Unknown(name)) if name == "nobody"));
}

#[test]
fn a_mapping_that_does_not_name_the_topics_of_most_is_taken_back() {
    let faulty = guest::build("faulty", env!("CARGO_TARGET_TMPDIR"));
    // A filter of its for those that are called HASH… is none.
    for (connected, unlucky, is_taken_back) in [(1, 1, true), (3, 1, false), (3, 2, true), (20, 7, false)] {
        let names = |number| if number < unlucky { format!("HASH{number}") } else { format!("CP{number}") };
        let peers: Vec<_> = (0..connected).map(|number| peer(&names(number))).collect();
        let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
        let (notify, noticed) = mpsc::channel();
        pipeline.on_exchange(move |outcome| notify.send(outcome).expect("heard"));
        for peer in &peers {
            pipeline.subscriptions(&pipeline.newest(), peer).expect("topics");
            pipeline.connected(&pipeline.newest(), peer);
        }
        pipeline.exchange("standard", Some(Source::File(faulty.clone()))).expect("exchanged");
        let newest = pipeline.newest();
        let failed = peers.iter().filter(|peer| pipeline.subscriptions(&newest, peer).is_err()).count();
        assert!(failed >= unlucky, "{failed} of {connected}");

        let next = || noticed.recv_timeout(Duration::from_secs(20)).expect("an exchange in time");
        assert_eq!(next(), ExchangeOutcome::Exchanged);
        if is_taken_back {
            assert_eq!(next(), ExchangeOutcome::RolledBack);
            let status = pipeline.transforms().remove(0);
            assert_eq!((status.component.as_str(), status.previous), ("builtin:standard", None));
            assert!(peers.iter().all(|peer| pipeline.subscriptions(&pipeline.newest(), peer).is_ok()));
        } else {
            // That nothing follows is decided by then.
            assert!(!pipeline.transforms()[0].stopped, "{unlucky} of {connected}");
        }
    }
}
