//! The functions of WASI that do something.

use crate::console::StandardStream;
use crate::guest::{NotGranted, StoreData};
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};

/// Stands for a resource of WASI. The only ones that a component ever holds are the standard streams.
pub(super) struct Handle;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// How much a component may write at once, in bytes; those that ask call again for the rest.
const PERMITTED: u64 = 64 << 10;
/// How many random bytes a component may draw at once: more would be a way to the host's memory.
const MOST_RANDOM: u64 = 64 << 10;

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
    #[allow(dead_code)] // Nothing fails that is granted.
    LastOperationFailed(Resource<Handle>),
    #[component(name = "closed")]
    Closed,
}

/// Defines a function, unless it is not granted: `Ok(false)`. `interface`: its name without a version.
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
    type Done<T> = (Result<T, StreamError>,);
    type ThisStream = (Resource<Handle>,);
    if interface != "wasi:io/streams" {
        return Ok(false);
    }
    match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => instance
            .func_wrap(name, |_, _: (Resource<Handle>, u64)| -> wasmtime::Result<Done<Vec<u8>>> {
                Ok((Err(StreamError::Closed),))
            }),
        "[method]output-stream.check-write" => {
            instance.func_wrap(name, |_, _: ThisStream| -> wasmtime::Result<Done<u64>> { Ok((Ok(PERMITTED),)) })
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            type Write = (Resource<Handle>, Vec<u8>);
            instance.func_wrap(name, |mut store, (this, bytes): Write| -> wasmtime::Result<Done<()>> {
                let stream = if this.rep() == STDERR { StandardStream::Error } else { StandardStream::Output };
                store.data_mut().print(stream, &bytes);
                Ok((Ok(()),))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            instance.func_wrap(name, |_, _: ThisStream| -> wasmtime::Result<Done<()>> { Ok((Ok(()),)) })
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
                if wanted > MOST_RANDOM {
                    let text = format!("wanted {wanted} random bytes at once, where {MOST_RANDOM} are allowed");
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
