//! The functions of WASI that are implemented.

use crate::console::StandardStream;
use crate::guest::{NotGranted, StoreData};
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};

/// A resource of WASI. The only ones that a component ever has are the standard streams.
pub(super) struct Handle;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// The most bytes that a component may write at once; it writes the rest in further calls.
const MAX_WRITE: u64 = 64 << 10;
/// The most random bytes per call: the host allocates memory for them.
const MAX_RANDOM: u64 = 64 << 10;

/// `datetime` of `wasi:clocks/wall-clock`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// `stream-error` of `wasi:io/streams`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code)] // What is implemented does not fail.
    LastOperationFailed(Resource<Handle>),
    #[component(name = "closed")]
    Closed,
}

/// Defines a function; `Ok(false)`: it is not implemented. `interface`: its name without a version.
pub(super) fn define(
    instance: &mut LinkerInstance<'_, StoreData>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    Ok(define_cli(instance, interface, name)?
        || define_streams(instance, interface, name)?
        || define_clocks(instance, interface, name)?
        || define_random(instance, interface, name)?)
}

fn define_cli(instance: &mut LinkerInstance<'_, StoreData>, interface: &str, name: &str) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("wasi:cli/environment", "get-environment") => {
            instance.func_wrap(name, |_, ()| Ok((Vec::<(String, String)>::new(),)))
        }
        ("wasi:cli/environment", "get-arguments") => instance.func_wrap(name, |_, ()| Ok((Vec::<String>::new(),))),
        ("wasi:cli/environment", "initial-cwd") => instance.func_wrap(name, |_, ()| Ok((None::<String>,))),
        ("wasi:filesystem/preopens", "get-directories") => {
            instance.func_wrap(name, |_, ()| Ok((Vec::<(Resource<Handle>, String)>::new(),)))
        }
        ("wasi:cli/stdin", "get-stdin") => stream(instance, name, STDIN),
        ("wasi:cli/stdout", "get-stdout") => stream(instance, name, STDOUT),
        ("wasi:cli/stderr", "get-stderr") => stream(instance, name, STDERR),
        ("wasi:cli/terminal-stdin", "get-terminal-stdin")
        | ("wasi:cli/terminal-stdout", "get-terminal-stdout")
        | ("wasi:cli/terminal-stderr", "get-terminal-stderr") => {
            instance.func_wrap(name, |_, ()| Ok((None::<Resource<Handle>>,)))
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn stream(instance: &mut LinkerInstance<'_, StoreData>, name: &str, number: u32) -> wasmtime::Result<()> {
    instance.func_wrap(name, move |_, ()| Ok((Resource::<Handle>::new_own(number),)))
}

fn define_streams(instance: &mut LinkerInstance<'_, StoreData>, interface: &str, name: &str) -> wasmtime::Result<bool> {
    type StreamResult<T> = (Result<T, StreamError>,);
    type ThisStream = (Resource<Handle>,);
    if interface != "wasi:io/streams" {
        return Ok(false);
    }
    match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            instance.func_wrap(name, |_, _: (Resource<Handle>, u64)| -> wasmtime::Result<StreamResult<Vec<u8>>> {
                Ok((Err(StreamError::Closed),))
            })
        }
        "[method]output-stream.check-write" => {
            instance.func_wrap(name, |_, _: ThisStream| -> wasmtime::Result<StreamResult<u64>> { Ok((Ok(MAX_WRITE),)) })
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            type Write = (Resource<Handle>, Vec<u8>);
            instance.func_wrap(name, |mut store, (this, bytes): Write| -> wasmtime::Result<StreamResult<()>> {
                let stream = if this.rep() == STDERR { StandardStream::Error } else { StandardStream::Output };
                store.data_mut().print(stream, &bytes);
                Ok((Ok(()),))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            instance.func_wrap(name, |_, _: ThisStream| -> wasmtime::Result<StreamResult<()>> { Ok((Ok(()),)) })
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn define_clocks(instance: &mut LinkerInstance<'_, StoreData>, interface: &str, name: &str) -> wasmtime::Result<bool> {
    const NANOSECOND: Datetime = Datetime { seconds: 0, nanoseconds: 1 };
    match (interface, name) {
        ("wasi:clocks/monotonic-clock", "now") => instance.func_wrap(name, |store, ()| {
            let elapsed = store.data().clock().monotonic();
            Ok((u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),))
        }),
        ("wasi:clocks/monotonic-clock", "resolution") => instance.func_wrap(name, |_, ()| Ok((1_u64,))),
        ("wasi:clocks/wall-clock", "now") => instance.func_wrap(name, |store, ()| {
            let now = store.data().clock().since_epoch();
            Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
        }),
        ("wasi:clocks/wall-clock", "resolution") => instance.func_wrap(name, |_, ()| Ok((NANOSECOND,))),
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn define_random(instance: &mut LinkerInstance<'_, StoreData>, interface: &str, name: &str) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("wasi:random/random", "get-random-bytes") | ("wasi:random/insecure", "get-insecure-random-bytes") => instance
            .func_wrap(name, |_, (wanted,): (u64,)| {
                if wanted > MAX_RANDOM {
                    let text = format!("requested {wanted} random bytes at once, where {MAX_RANDOM} are allowed");
                    return Err(NotGranted(text).into());
                }
                let mut bytes = vec![0; wanted as usize];
                getrandom::fill(&mut bytes)?;
                Ok((bytes,))
            }),
        ("wasi:random/random", "get-random-u64") | ("wasi:random/insecure", "get-insecure-random-u64") => {
            instance.func_wrap(name, |_, ()| Ok((getrandom::u64()?,)))
        }
        ("wasi:random/insecure-seed", "insecure-seed") => {
            instance.func_wrap(name, |_, ()| Ok(((getrandom::u64()?, getrandom::u64()?),)))
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}
