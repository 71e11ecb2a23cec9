//! Where a guest was when it was stopped, for whoever has to mend it.

use std::fmt::Write as _;
use wasmtime::{Error, FrameInfo, WasmBacktrace};

/// What every panic in Rust passes through, and says nothing of the one at hand.
const OF_A_PANIC: [&str; 4] = ["__rustc::", "std::panicking::", "std::sys::backtrace::", "core::panicking::"];

/// What has happened, with a `note`, and a line for each function that was being called, the innermost first.
pub(crate) fn describe(error: &Error, note: &str) -> String {
    let mut text = format!("{}{note}", error.root_cause());
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let ends_in_a_panic = |frame: &&FrameInfo| OF_A_PANIC.iter().any(|path| is_below(&function(frame), path));
    for frame in frames.iter().skip_while(ends_in_a_panic) {
        let (module, offset) = (frame.module().name().unwrap_or("module"), frame.module_offset().unwrap_or_default());
        // Nothing can go wrong where text is written to memory.
        let _ = write!(text, "\n  at {} ({module}+{offset:#x})", function(frame));
    }
    text
}

/// Whether a function, or what it closes over, is of this path.
fn is_below(function: &str, path: &str) -> bool {
    function.trim_start_matches('<').starts_with(path)
}

/// The name of a function, as it stands in the source where that can be told; its number where it has none.
fn function(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    }
}
