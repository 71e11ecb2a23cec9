//! Which transforms can replace which. Swaps while messages run are tested with the whole gateway.

mod common;

use common::peer;
use ocpp_gateway_pipeline::{
    Change, FewerHooks, Generation, Pipeline, STANDARD, Samples, Source, SwapError, SwapOutcome, Swapped,
    TransformSpec, TrialTransform, Validation, short_sha256,
};
use ocpp_gateway_testkit::component::another_version;
use ocpp_gateway_testkit::{TIMEOUT, guest};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// A transform without a mapping.
static PASSING: LazyLock<PathBuf> = LazyLock::new(|| guest::build("passing", env!("CARGO_TARGET_TMPDIR")));

/// Another version of the standard mapping.
fn another(number: u8) -> Source {
    Source::Bytes(another_version(STANDARD, number).into())
}

/// Samples that take until the test lets them end.
#[derive(Debug)]
struct SlowSamples {
    begun: Mutex<Sender<()>>,
    may_end: Mutex<Receiver<()>>,
}

impl Samples for SlowSamples {
    fn try_on(&self, _: &TrialTransform<'_>) -> Result<(), String> {
        self.begun.lock().expect("no panic").send(()).map_err(|error| error.to_string())?;
        self.may_end.lock().expect("no panic").recv_timeout(TIMEOUT).map_err(|error| error.to_string())
    }
}

#[test]
fn rollback_does_not_wait_for_a_load_and_the_load_does_not_undo_it() {
    let ((begun, begins), (let_end, may_end)) = (mpsc::channel(), mpsc::channel());
    let samples: Arc<dyn Samples> = Arc::new(SlowSamples { begun: begun.into(), may_end: may_end.into() });
    let spec = TransformSpec { samples: Some(samples), ..TransformSpec::standard() };
    // For the first version and the second one.
    (0..2).for_each(|_| let_end.send(()).expect("received"));
    let pipeline = Pipeline::load(vec![spec]).expect("loaded");
    let swap = |number| pipeline.swap("standard", Some(another(number)), FewerHooks::Refuse);
    let runs = || pipeline.transforms().remove(0).component;
    swap(1).expect("swapped");
    (0..2).for_each(|_| begins.recv().expect("begun"));

    std::thread::scope(|scope| {
        let loading = scope.spawn(|| swap(2));
        begins.recv_timeout(TIMEOUT).expect("it is being loaded");
        pipeline.roll_back("standard").expect("rolled back");
        assert_eq!(runs(), "builtin:standard");
        let_end.send(()).expect("received");
        let overtaken = loading.join().expect("no panic");
        assert!(matches!(overtaken, Err(SwapError::RolledBackMeanwhile(name)) if name == "standard"));
    });
    assert_eq!(runs(), "builtin:standard");
    let fault = pipeline.transforms().remove(0).last_fault.expect("a fault");
    assert!(fault.text.contains("rolled back"), "{fault:?}");

    // The next one is loaded after the rollback.
    let_end.send(()).expect("received");
    swap(3).expect("swapped");
    assert!(runs().starts_with("upload"), "{}", runs());
}

#[test]
fn swap_to_the_running_version_changes_nothing() {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let swap = |source| pipeline.swap("standard", Some(source), FewerHooks::Refuse).expect("it loads");
    assert_eq!(swap(another(0)), Swapped::Replaced);
    let (generation, status) = (pipeline.newest_number(), pipeline.transforms().remove(0));
    assert_eq!(swap(another(0)), Swapped::Unchanged);
    assert_eq!((pipeline.newest_number(), pipeline.transforms().remove(0)), (generation, status));
    // A rollback therefore restores other code.
    pipeline.roll_back("standard").expect("rolled back");
    assert_eq!(pipeline.transforms()[0].size, STANDARD.len());
}

#[test]
fn reload_of_the_configuration_reports_only_what_it_changes() {
    let spec = |name: &str, mountpoint: &str| TransformSpec {
        name: name.into(),
        config: format!(r#"{{"mountpoint":"{mountpoint}"}}"#),
        ..TransformSpec::standard()
    };
    let pipeline = Pipeline::load(vec![spec("mapping", "a/")]).expect("it loads");
    let changes = |specs| {
        let swapped =
            pipeline.swap_all(specs, Vec::new(), Validation::default(), pipeline.rollback_mark()).expect("they load");
        swapped.changes.unwrap_or_default().into_iter().map(|change| (change.name, change.what)).collect::<Vec<_>>()
    };
    assert_eq!(changes(vec![spec("mapping", "a/")]), []);
    assert_eq!(pipeline.newest_number(), 0);
    assert_eq!(changes(vec![spec("mapping", "b/")]), [("mapping".into(), Change::Replaced)]);
    assert_eq!(
        changes(vec![spec("other", "b/")]),
        [("other".into(), Change::Added), ("mapping".into(), Change::Removed)]
    );
    assert_eq!(pipeline.newest_number(), 2);
    // The next reload of the configuration replaces an upload, and reports that.
    pipeline.swap("other", Some(another(0)), FewerHooks::Refuse).expect("it loads");
    let reloaded = pipeline
        .swap_all(vec![spec("other", "b/")], Vec::new(), Validation::default(), pipeline.rollback_mark())
        .expect("it loads");
    assert!(
        matches!(reloaded.changes.as_deref(), Some([change]) if change.before.as_ref().is_some_and(|before| before.component.starts_with("upload of")))
    );
    // Validation is part of a generation.
    let strict = Validation { uplink: true, ..Validation::default() };
    assert_eq!(
        pipeline
            .swap_all(vec![spec("other", "b/")], Vec::new(), strict, pipeline.rollback_mark())
            .expect("it loads")
            .changes,
        Some(vec![])
    );
    assert_eq!(pipeline.newest_number(), 5);
}

#[test]
fn component_that_lacks_hooks_in_use_is_refused_unless_allowed() {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let passing: Arc<[u8]> = std::fs::read(&*PASSING).expect("built").into();
    let swap = |hooks| pipeline.swap("standard", Some(Source::Bytes(passing.clone())), hooks);
    let refused = swap(FewerHooks::Refuse).expect_err("the mapping would be gone").to_string();
    assert!(refused.contains("mapping") && refused.contains("allow_fewer_hooks"), "{refused}");
    let status = pipeline.transforms();
    assert_eq!((status.len(), &*status[0].component), (1, "builtin:standard"));
    assert!(status[0].last_fault.as_ref().is_some_and(|fault| fault.text == refused), "{status:?}");

    assert_eq!(swap(FewerHooks::Allow).expect("allowed"), Swapped::Replaced);
    let components: Vec<_> = pipeline.transforms().into_iter().map(|status| status.component).collect();
    assert_eq!(components, [Source::Bytes(passing.clone()).to_string(), "builtin:standard".into()]);
}

#[test]
fn file_that_lost_its_mapping_is_refused_at_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    std::fs::write(&file, STANDARD).expect("written");
    let spec = || TransformSpec { source: Source::File(file.clone()), ..TransformSpec::standard() };
    let pipeline = Pipeline::load(vec![spec()]).expect("it loads");
    std::fs::copy(&*PASSING, &file).expect("copied");
    let refused = pipeline
        .swap_all(vec![spec()], Vec::new(), Validation::default(), pipeline.rollback_mark())
        .expect_err("the mapping would be gone");
    assert!(refused.to_string().contains("mapping"), "{refused}");
    assert_eq!((pipeline.newest_number(), pipeline.transforms()[0].size), (0, STANDARD.len()));
}

#[test]
fn default_mapping_can_be_swapped_by_its_name() {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let sizes = || pipeline.transforms().iter().map(|transform| transform.size).collect::<Vec<_>>();
    pipeline.swap("standard", Some(another(0)), FewerHooks::Refuse).expect("swapped");
    assert_ne!(sizes(), [STANDARD.len()]);
    pipeline.roll_back("standard").expect("rolled back");
    assert_eq!(sizes(), [STANDARD.len()]);
    assert!(
        matches!(pipeline.swap("unknown", None, FewerHooks::Refuse), Err(SwapError::Unknown(name)) if name == "unknown")
    );
}

#[test]
fn mapping_that_fails_to_name_the_topics_of_most_is_rolled_back() {
    let faulty = guest::build("faulty", env!("CARGO_TARGET_TMPDIR"));
    // For charge points named HASH…, it answers with an illegal filter.
    for (connected, failing, is_rolled_back) in [(1, 1, true), (3, 1, false), (3, 2, true), (20, 7, false)] {
        let names = |number| if number < failing { format!("HASH{number}") } else { format!("CP{number}") };
        let peers: Vec<_> = (0..connected).map(|number| peer(&names(number))).collect();
        let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
        let (notify, reports) = mpsc::channel();
        pipeline.on_swap(move |report| notify.send(report.clone()).expect("received"));
        for peer in &peers {
            pipeline.subscriptions(&pipeline.newest(), peer).expect("topics");
            pipeline.connected(&pipeline.newest(), peer);
        }
        pipeline.swap("standard", Some(Source::File(faulty.clone())), FewerHooks::Refuse).expect("swapped");
        let newest = pipeline.newest();
        let failed = peers.iter().filter(|peer| pipeline.subscriptions(&newest, peer).is_err()).count();
        assert!(failed >= failing, "{failed} of {connected}");

        let next = || reports.recv_timeout(Duration::from_secs(20)).expect("a swap in time");
        let swapped = next();
        assert_eq!((swapped.outcome, swapped.reason), (SwapOutcome::Swapped, None));
        if is_rolled_back {
            let rolled_back = next();
            assert_eq!(rolled_back.outcome, SwapOutcome::RolledBack);
            let before = rolled_back.transforms[0].before.as_ref().expect("another ran");
            let status = pipeline.transforms().remove(0);
            assert_eq!((status.component.as_str(), status.previous), ("builtin:standard", None));
            // The reason can be seen afterwards.
            let fault = status.last_fault.expect("it was rolled back").text;
            assert!(
                fault.contains(short_sha256(&before.sha256)) && rolled_back.reason == Some(fault.clone()),
                "{fault}"
            );
            assert!(peers.iter().all(|peer| pipeline.subscriptions(&pipeline.newest(), peer).is_ok()));
        } else {
            // By then it is decided that no rollback follows.
            assert!(!pipeline.transforms()[0].stopped, "{failing} of {connected}");
        }
    }
}

#[test]
fn old_instances_end_with_the_last_use_of_their_generation() {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let instances = || pipeline.transforms().remove(0).instances;
    let call = |generation: &Generation| {
        let frame = common::frame(r#"[2,"1","Heartbeat",{}]"#);
        assert_eq!(pipeline.uplink(generation, &peer("CP1"), &frame).publishes.len(), 1);
    };
    let fresh = instances();
    // A thread that calls each version and is idle afterwards.
    let (work, works) = mpsc::channel::<Generation>();
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        let call = &call;
        scope.spawn(move || {
            for generation in works {
                call(&generation);
                drop(generation);
                done.send(()).expect("received");
            }
        });
        let use_it = || {
            work.send(pipeline.newest()).expect("received");
            is_done.recv_timeout(TIMEOUT).expect("in time");
        };
        for number in 0..4 {
            use_it();
            call(&pipeline.newest());
            pipeline.swap("standard", Some(another(number)), FewerHooks::Refuse).expect("swapped");
            assert_eq!(instances(), fresh, "after swap {number}");
        }
        // An open CALL keeps its generation.
        use_it();
        let open = pipeline.newest();
        let used = instances();
        pipeline.roll_back("standard").expect("rolled back");
        assert_eq!(instances(), fresh + used);
        call(&open);
        drop(open);
        assert_eq!(instances(), fresh);
        drop(work);
    });
}
