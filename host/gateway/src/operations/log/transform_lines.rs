//! The latest lines of the log about each transform, for the admin API.

use super::lengths::{MESSAGE, longest};
use super::text::{Unprintable, write_cut};
use lru::LruCache;
use ocpp_gateway_pipeline::LogFields;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one transform that are kept.
const MAX_LINES: usize = 100;
/// Transforms whose lines are kept: those that had one last.
const MAX_TRANSFORMS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);
/// The longest text of a line, in characters, so that all lines together take a few megabytes.
const MAX_TEXT: usize = 1000;
/// The field that names a transform.
const TRANSFORM: &str = "transform";

/// A line of the log about a transform: its own, or one of the gateway.
#[derive(Debug, Clone)]
pub struct TransformLine {
    pub time: SystemTime,
    pub level: Level,
    pub charge_point: Option<String>,
    /// The message, with the other fields of the line.
    pub text: String,
}

/// The latest lines by the name of the transform. Clones share them.
#[derive(Clone)]
pub struct TransformLines(Arc<Mutex<LruCache<Box<str>, VecDeque<TransformLine>>>>);

impl Default for TransformLines {
    fn default() -> Self {
        TransformLines(Arc::new(Mutex::new(LruCache::new(MAX_TRANSFORMS))))
    }
}

impl TransformLines {
    /// Those of the log of this process, which has none before [`start`](super::start).
    pub fn of_process() -> Self {
        static LINES: LazyLock<TransformLines> = LazyLock::new(TransformLines::default);
        LINES.clone()
    }

    /// The lines of a transform, the latest first.
    pub fn latest(&self, transform: &str) -> Vec<TransformLine> {
        self.0.lock().peek(transform).map(|lines| lines.iter().rev().cloned().collect()).unwrap_or_default()
    }

    fn add(&self, transform: String, line: TransformLine) {
        let mut all = self.0.lock();
        let lines = all.get_or_insert_mut(transform.into(), VecDeque::new);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// A layer that keeps the lines that pass all other layers.
pub(super) struct TransformLinesLayer(pub(super) TransformLines);

impl<S: Subscriber> Layer<S> for TransformLinesLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.fields().field(TRANSFORM).is_none() {
            return;
        }
        let mut visitor = LineVisitor::default();
        event.record(&mut visitor);
        let LineVisitor { transform, charge_point, message, fields } = visitor;
        // Some lines concern a transform or not.
        let Some(transform) = transform else { return };
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write_cut(&mut text, format_args!("{message}{fields}"), MAX_TEXT, Unprintable::Keep);
        self.0.add(transform, TransformLine { time: SystemTime::now(), level: *metadata.level(), charge_point, text });
    }
}

/// Takes an event apart.
#[derive(Default)]
struct LineVisitor {
    transform: Option<String>,
    charge_point: Option<String>,
    message: String,
    /// The others, each as ` name=value`.
    fields: String,
}

impl LineVisitor {
    fn record(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let cut = |to: &mut String| {
            let _ = write_cut(to, value, longest(field.name()), Unprintable::Keep);
        };
        match field.name() {
            TRANSFORM => cut(self.transform.insert(String::new())),
            "charge_point" => cut(self.charge_point.insert(String::new())),
            MESSAGE => cut(&mut self.message),
            // The origin of a record of the `log` crate.
            name if name.starts_with("log.") => {}
            name => {
                let _ = write!(self.fields, " {}=", name.trim_start_matches("r#"));
                cut(&mut self.fields);
            }
        }
    }
}

impl Visit for LineVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        match value.downcast_ref::<LogFields>() {
            Some(fields) => self.record(field, format_args!("{{{fields}}}")),
            None => self.record(field, format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::limiter::{LimiterLayer, LogLimiter};
    use super::*;
    use tracing::{info, warn};
    use tracing_subscriber::layer::SubscriberExt as _;

    /// What is kept of these events, without a limit of lines.
    fn kept(events: impl FnOnce()) -> TransformLines {
        let lines = TransformLines::default();
        let subscriber = tracing_subscriber::registry().with(TransformLinesLayer(lines.clone()));
        tracing::subscriber::with_default(subscriber, events);
        lines
    }

    fn texts(lines: &TransformLines, transform: &str) -> Vec<String> {
        lines.latest(transform).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_that_name_a_transform_are_kept_with_their_fields() {
        let lines = kept(|| {
            info!(transform = "mine", version = "1.2", "loaded");
            info!(charge_point = "CP1", "connected");
            warn!(transform = %"mine", charge_point = %"CP1", cause = ?"it failed", "a message is dropped");
            info!(transform = None::<&str>, "about none");
            warn!(transform = "other", "line\nbreak");
        });
        assert_eq!(texts(&lines, "mine"), ["a message is dropped cause=\"it failed\"", "loaded version=1.2"]);
        let first = &lines.latest("mine")[0];
        assert_eq!((first.level, first.charge_point.as_deref()), (Level::WARN, Some("CP1")));
        assert_eq!(lines.latest("mine")[1].charge_point, None);
        assert_eq!(texts(&lines, "other"), ["line\nbreak"]);
        assert_eq!(texts(&lines, "another"), Vec::<String>::new());
    }

    #[test]
    fn number_and_length_of_kept_lines_are_bounded() {
        let lines = kept(|| {
            (0..MAX_LINES + 5).for_each(|number| info!(transform = "mine", "line {number}"));
            info!(transform = "long", "{}", "ä".repeat(5000));
            (0..MAX_TRANSFORMS.get() - 2).for_each(|number| info!(transform = %format!("t{number}"), "a line"));
        });
        let of_mine = texts(&lines, "mine");
        assert_eq!((of_mine.len(), &*of_mine[0], &*of_mine[MAX_LINES - 1]), (MAX_LINES, "line 104", "line 5"));
        assert_eq!(texts(&lines, "long")[0].chars().count(), MAX_TEXT + 1);
        assert_eq!(lines.0.lock().len(), MAX_TRANSFORMS.get());
        let again = lines.clone();
        let subscriber = tracing_subscriber::registry().with(TransformLinesLayer(again));
        tracing::subscriber::with_default(subscriber, || info!(transform = "one more", "a line"));
        assert_eq!(
            (texts(&lines, "mine").len(), texts(&lines, "one more").len()),
            (0, 1),
            "the least recent is dropped"
        );
    }

    #[test]
    fn lines_that_the_limiter_suppresses_are_not_kept() {
        let (lines, limiter) = (TransformLines::default(), LogLimiter::start());
        let limited = tracing_subscriber::registry().with(LimiterLayer(Arc::clone(&limiter)));
        tracing::subscriber::with_default(limited.with(TransformLinesLayer(lines.clone())), || {
            (0..50).for_each(|_| warn!(transform = "mine", charge_point = "CP1", "fails"));
            limiter.report_all();
        });
        let of_mine = texts(&lines, "mine");
        assert_eq!(of_mine.iter().filter(|text| *text == "fails").count(), 10);
        assert!(of_mine[0].contains("suppressed=40"), "{of_mine:?}");
    }
}
