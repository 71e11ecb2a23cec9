//! Helpers that the tests share: files with components, a charge point, frames.

#![allow(dead_code)] // Each test uses some of them.

use ocpp_gateway_core::{Attributes, CallError, Fault, Frame, Identity, Peer, Publish, Version};
use ocpp_gateway_pipeline::{
    Answer, Cause, DownlinkOutcome, Failure, Message, Pipeline, Source, TransformSpec, UplinkOutcome,
};
use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) fn peer(id: &str) -> Peer {
    let identity = Identity::new(id, 48).expect("an identity");
    Peer { identity, version: Version::V1_6, connection: 1, attributes: Attributes::new() }
}

pub(crate) fn frame(text: &str) -> Frame<'_> {
    Frame::parse(text).expect("a frame")
}

/// The beginning of the core module of a component written as text: it accepts any configuration, and allocates memory
/// from 8192 on, which is never freed.
pub(crate) const BEGINNING: &str = r#"
    (global $free (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8)))))
    (func (export "ocpp-gateway:transform/lifecycle@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
"#;

/// Writes a file in the directory of the tests.
pub(crate) fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("a writable directory");
    path
}

/// A transform from a file, with no configuration.
pub(crate) fn spec(path: PathBuf) -> TransformSpec {
    TransformSpec { name: "under test".into(), source: Source::File(path), ..TransformSpec::standard() }
}

/// The messages that the mapping makes of a frame, or why it makes none.
pub(crate) fn to_mqtt(pipeline: &Pipeline, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<Publish>, Failure> {
    let UplinkOutcome { publishes, answer, mut incidents, .. } = pipeline.uplink(&pipeline.newest(), peer, frame);
    match (incidents.pop().map(|incident| incident.cause), answer) {
        (Some(Cause::Failed(failure)), _) => Err(failure),
        (Some(Cause::Rejected(_)), Some(Answer::Error(error))) => Err(Failure::Refused(error)),
        (None | Some(Cause::Dropped(_)), None) => Ok(publishes),
        other => panic!("{other:?}"),
    }
}

/// The frames that the mapping makes of a message, or why it makes none. A refusal comes without its code.
pub(crate) fn from_mqtt(
    pipeline: &Pipeline,
    peer: &Peer,
    message: &Message<'_>,
) -> Result<Vec<Frame<'static>>, Failure> {
    let DownlinkOutcome { frames, not_mapped, mut incidents, .. } =
        pipeline.downlink(&pipeline.newest(), peer, message, Default::default());
    match (incidents.pop().map(|incident| incident.cause), not_mapped) {
        (Some(Cause::Failed(failure)), _) => Err(failure),
        (None, Some(not_mapped)) => {
            assert_eq!(not_mapped.fault, Fault::NotUnderstood);
            let details = format!(r#"{{"UniqueId":"{}"}}"#, not_mapped.id);
            let (description, details) = (not_mapped.text.into(), details.into());
            Err(Failure::Refused(CallError { code: "".into(), description, details }))
        }
        (None, None) => Ok(frames),
        other => panic!("{other:?}"),
    }
}

/// Makes a component of a core module given as text. `package`: WIT with the world `guest`, for which the module is
/// made.
pub(crate) fn component(module: &str, package: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("a core module");
    let mut resolve = Resolve::default();
    resolve.push_str("transform.wit", include_str!("../../../../wit/transform.wit")).expect("the package");
    let package = resolve.push_str("guest.wit", package).expect("a world");
    let world = resolve.select_world(&[package], Some("guest")).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("a module of this world");
    ComponentEncoder::default().module(&module).expect("a module").validate(true).encode().expect("a component")
}

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The log of this thread while `run` runs.
pub(crate) fn log_of(run: impl FnOnce()) -> String {
    struct Log;
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.with_borrow_mut(|log| log.write(bytes))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // One subscriber for all threads: with one per thread, a line that is first logged outside of them could stay
    // disabled.
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init());
    LOG.take();
    run();
    String::from_utf8(LOG.take()).expect("text")
}
