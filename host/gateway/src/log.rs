//! The log: lines for people or objects for programs, on standard error.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Starts to write it. To be called once. `RUST_LOG`, where it is set and makes sense, wins over the configured level.
pub fn start(log: &Log) {
    let configured = || filter(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| configured());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        // Fields beside the message, where whoever collects logs looks for them.
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}

/// Reads what `log.level` may be.
pub fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}
