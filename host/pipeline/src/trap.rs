//! Describes where a guest trapped, for its author.

use std::fmt::Write as _;
use wasmtime::{Error, FrameInfo, WasmBacktrace};

/// The paths of functions that every panic in Rust passes through; they say nothing about the panic at hand.
const PANIC_PATHS: [&str; 4] = ["__rustc::", "std::panicking::", "std::sys::backtrace::", "core::panicking::"];

/// The cause, with a `note`, and a line for each function on the stack, the innermost first.
pub(crate) fn describe(error: &Error, note: &str) -> String {
    let mut text = format!("{}{note}", error.root_cause());
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let ends_in_a_panic = |frame: &&FrameInfo| PANIC_PATHS.iter().any(|path| is_below(&function(frame), path));
    for frame in frames.iter().skip_while(ends_in_a_panic) {
        let (module, offset) = (frame.module().name().unwrap_or("module"), frame.module_offset().unwrap_or_default());
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  at {} ({module}+{offset:#x})", function(frame));
    }
    text
}

/// Whether a function, or a closure in one, is below this path.
fn is_below(function: &str, path: &str) -> bool {
    function.trim_start_matches('<').starts_with(path)
}

/// The name of a function as in the source, if it can be demangled; its index if it has no name.
fn function(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    }
}
