//! The log: lines for people or objects for programs, on standard error.
//!
//! Values from charge points and transforms are cut, and escaped in lines (`text`). Lines that they can cause at any
//! rate are limited (`limiter`). Both happen here, for every event, and not where events are made.

mod json;
mod lengths;
mod level;
mod limiter;
mod text;
mod transform_lines;

pub use level::{LogLevelError, level, set_level};
pub(crate) use text::printable;
pub use transform_lines::{TransformLine, TransformLines};

use crate::config::{LogConfig, LogFormat, LogLevel};
use json::JsonEvents;
use limiter::{LimiterLayer, LogLimiter};
use std::io::IsTerminal as _;
use std::sync::Arc;
use text::TextFields;
use tracing::warn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};
use transform_lines::TransformLinesLayer;

/// Reports the suppressed lines when it is dropped.
#[must_use = "it reports suppressed log lines when it is dropped"]
pub struct LogGuard(Arc<LogLimiter>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.report_all();
    }
}

/// Starts the log. To be called once. `RUST_LOG`, in the same form, takes precedence over the configured level;
/// [`set_level`] changes either.
pub fn start(log: &LogConfig) -> LogGuard {
    let from_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|level| !level.is_empty());
    let from_environment = from_environment.map(|level| level.parse::<LogLevel>()).transpose();
    let filter = level::reloadable(from_environment.as_ref().ok().and_then(Option::as_ref).unwrap_or(&log.level));
    let limiter = LogLimiter::start();
    let events = tracing_subscriber::registry().with(filter).with(LimiterLayer(Arc::clone(&limiter)));
    let events = events.with(TransformLinesLayer(TransformLines::of_process()));
    match log.format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            events.with(fmt::layer().fmt_fields(TextFields).with_ansi(ansi).with_writer(std::io::stderr)).init();
        }
        LogFormat::Json => {
            events.with(fmt::layer().event_format(JsonEvents).with_ansi(false).with_writer(std::io::stderr)).init();
        }
    }
    if let Err(error) = from_environment {
        warn!("{} is not used: {error}", EnvFilter::DEFAULT_ENV);
    }
    LogGuard(limiter)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::{FormatEvent, FormatFields, Layer};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry::Registry;

    /// A writer that keeps what is written.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `layer` writes of events.
    pub(super) fn written<N, E>(layer: Layer<Registry, N, E>, events: impl FnOnce()) -> String
    where
        N: for<'w> FormatFields<'w> + Send + Sync + 'static,
        E: FormatEvent<Registry, N> + Send + Sync + 'static,
    {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, events);
        let bytes = captured.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }
}
