//! Limits log lines: per charge point, or per address if there is no charge point yet, per transform and per line of
//! code. A charge point that repeats one fault a thousand times hides neither its other lines nor those of others.
//!
//! Lines on `debug` and `trace` are not limited, because they are switched on deliberately. Lines of transforms have a
//! limit of their own (`limits.log_lines`). Audit lines are not limited, because each is about another change.

use super::text::{Unprintable, write_cut};
use crate::operations::{AUDIT, address};
use lru::LruCache;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The length of a window. Each window counts its lines anew.
const WINDOW: Duration = Duration::from_secs(10);
/// Lines of one charge point in a window, from one line of code.
const PER_CHARGE_POINT: u32 = 10;
/// Lines about one address, which many charge points may share.
const PER_ADDRESS: u32 = 100;
/// Lines about neither a charge point nor an address.
const PER_CALLSITE: u32 = 200;
/// The most windows that are kept. Beyond that, the least recently used one is removed.
const MAX_WINDOWS: usize = 8192;
/// Names of charge points are compared up to this length, in characters.
const MAX_NAME: usize = 256;

/// The target of the lines of the limiter itself, which are not limited.
const TARGET: &str = "ocpp_gateway::operations::log";
/// The target of lines that transforms write.
const TRANSFORM: &str = "transform";

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LineSubject {
    ChargePoint(Box<str>),
    Address(IpAddr),
    Other,
}

impl LineSubject {
    fn limit(&self) -> u32 {
        match self {
            LineSubject::ChargePoint(_) => PER_CHARGE_POINT,
            LineSubject::Address(_) => PER_ADDRESS,
            LineSubject::Other => PER_CALLSITE,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    subject: LineSubject,
    /// The transform that the line is about, if any.
    transform: Option<Box<str>>,
    callsite: Identifier,
}

#[derive(Debug)]
struct LineWindow {
    started: Instant,
    passed: u32,
}

/// Lines that were suppressed in a window that has not ended.
#[derive(Debug)]
struct Suppressed {
    reported_at: Instant,
    count: u64,
    /// The target of these lines.
    target: &'static str,
}

/// The number of suppressed lines with one key.
#[derive(Debug)]
struct SuppressedReport {
    subject: LineSubject,
    transform: Option<Box<str>>,
    suppressed: u64,
    source: &'static str,
}

#[derive(Debug)]
struct LimiterState {
    windows: LruCache<Key, LineWindow>,
    suppressed: HashMap<Key, Suppressed>,
    /// Lines that were suppressed while `suppressed` was full.
    others: u64,
    is_over: bool,
}

impl LimiterState {
    fn new() -> Self {
        LimiterState { windows: LruCache::unbounded(), suppressed: HashMap::new(), others: 0, is_over: false }
    }

    /// Whether one more line is written.
    fn admit(&mut self, key: Key, target: &'static str, now: Instant) -> bool {
        let limit = key.subject.limit();
        let window = self.windows.get_or_insert_mut_ref(&key, || LineWindow { started: now, passed: 0 });
        if now.duration_since(window.started) >= WINDOW {
            *window = LineWindow { started: now, passed: 0 };
        }
        if window.passed < limit {
            window.passed += 1;
            if self.windows.len() > MAX_WINDOWS {
                self.windows.pop_lru();
            }
            return true;
        }
        let reported_at = window.started + WINDOW;
        if let Some(suppressed) = self.suppressed.get_mut(&key) {
            suppressed.count += 1;
        } else if self.suppressed.len() < MAX_WINDOWS {
            self.suppressed.insert(key, Suppressed { reported_at, count: 1, target });
        } else {
            self.others += 1;
        }
        false
    }

    /// Removes and returns the reports that are due at `now`; `None`: all of them.
    fn take_due(&mut self, now: Option<Instant>) -> Vec<SuppressedReport> {
        let due = |suppressed: &Suppressed| now.is_none_or(|now| suppressed.reported_at <= now);
        let taken = self.suppressed.extract_if(|_, suppressed| due(suppressed));
        let report = |(key, it): (Key, Suppressed)| SuppressedReport {
            subject: key.subject,
            transform: key.transform,
            suppressed: it.count,
            source: it.target,
        };
        let mut reports: Vec<_> = taken.map(report).collect();
        if !reports.is_empty() && self.others > 0 {
            let suppressed = std::mem::take(&mut self.others);
            reports.push(SuppressedReport {
                subject: LineSubject::Other,
                transform: None,
                suppressed,
                source: "others",
            });
        }
        reports
    }

    fn next_report(&self) -> Option<Instant> {
        self.suppressed.values().map(|suppressed| suppressed.reported_at).min()
    }
}

/// Decides which lines are written. A thread of its own reports the suppressed ones.
#[derive(Debug)]
pub(super) struct LogLimiter {
    state: Mutex<LimiterState>,
    /// Notified when there is a new report, and when the log ends.
    changed: Condvar,
}

impl LogLimiter {
    pub(super) fn start() -> Arc<Self> {
        let limiter = Arc::new(LogLimiter { state: Mutex::new(LimiterState::new()), changed: Condvar::new() });
        let reporter = Arc::clone(&limiter);
        let started = std::thread::Builder::new().name("log-limiter".into()).spawn(move || reporter.report_when_due());
        if let Err(error) = started {
            warn!(target: TARGET, "cannot start the thread that reports suppressed log lines: {error}");
        }
        limiter
    }

    /// Reports all suppressed lines that are not reported yet, and ends the reports.
    pub(super) fn report_all(&self) {
        let mut state = self.state.lock();
        state.is_over = true;
        let reports = state.take_due(None);
        drop(state);
        self.changed.notify_all();
        reports.into_iter().for_each(report);
    }

    fn report_when_due(&self) {
        let mut state = self.state.lock();
        while !state.is_over {
            let now = Instant::now();
            match state.next_report() {
                None => self.changed.wait(&mut state),
                Some(due) if due > now => {
                    self.changed.wait_until(&mut state, due);
                }
                Some(_) => {
                    let reports = state.take_due(Some(now));
                    // Reports are events too, and `may_pass` locks the state for them.
                    MutexGuard::unlocked(&mut state, || reports.into_iter().for_each(report));
                }
            }
        }
    }

    fn may_pass(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        if !has_limit(metadata) {
            return true;
        }
        let mut visitor = SubjectVisitor { charge_point: None, address: None, transform: None };
        event.record(&mut visitor);
        let transform = visitor.transform.take();
        let key = Key { subject: visitor.subject(), transform, callsite: metadata.callsite() };
        let mut state = self.state.lock();
        let before = state.suppressed.len();
        let passes = state.admit(key, metadata.target(), Instant::now());
        if state.suppressed.len() > before {
            self.changed.notify_one();
        }
        passes
    }
}

fn has_limit(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO && ![TARGET, TRANSFORM, AUDIT].contains(&metadata.target())
}

fn report(SuppressedReport { subject, transform, suppressed, source }: SuppressedReport) {
    let transform = transform.as_deref();
    const TEXT: &str = "more lines like the last ones are suppressed";
    match subject {
        LineSubject::ChargePoint(name) => {
            info!(target: TARGET, charge_point = %name, transform, suppressed, source, "{TEXT}")
        }
        LineSubject::Address(address) => info!(target: TARGET, %address, transform, suppressed, source, "{TEXT}"),
        LineSubject::Other => info!(target: TARGET, transform, suppressed, source, "{TEXT}"),
    }
}

/// A layer that suppresses events over the limits.
pub(super) struct LimiterLayer(pub(super) Arc<LogLimiter>);

impl<S: Subscriber> Layer<S> for LimiterLayer {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.may_pass(event)
    }
}

/// Finds what an event is about.
struct SubjectVisitor {
    charge_point: Option<Box<str>>,
    address: Option<IpAddr>,
    transform: Option<Box<str>>,
}

impl SubjectVisitor {
    fn record_text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let text = || {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write_cut(&mut text, value, MAX_NAME, Unprintable::Keep);
            text
        };
        match field.name() {
            "transform" => self.transform = Some(text().into()),
            "charge_point" => self.charge_point = Some(text().into()),
            "address" => {
                let text = text();
                let address = text.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| text.parse());
                self.address = address.ok().map(address::counted_address);
            }
            _ => {}
        }
    }

    fn subject(self) -> LineSubject {
        match (self.charge_point, self.address) {
            (Some(name), _) if !name.is_empty() => LineSubject::ChargePoint(name),
            (_, Some(address)) => LineSubject::Address(address),
            _ => LineSubject::Other,
        }
    }
}

impl Visit for SubjectVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_text(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing::debug;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Counts events that pass the layers before it.
    #[derive(Clone, Default)]
    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn passed(events: impl FnOnce()) -> (usize, LimiterState) {
        let limiter = Arc::new(LogLimiter { state: Mutex::new(LimiterState::new()), changed: Condvar::new() });
        let count = Count::default();
        let subscriber = tracing_subscriber::registry().with(LimiterLayer(Arc::clone(&limiter))).with(count.clone());
        tracing::subscriber::with_default(subscriber, events);
        let state = std::mem::replace(&mut *limiter.state.lock(), LimiterState::new());
        (count.0.load(Ordering::Relaxed), state)
    }

    fn incident(charge_point: &str) {
        info!(charge_point, message_id = "x", "an answer to no CALL");
    }

    #[test]
    fn charge_points_are_limited_separately_and_suppressed_lines_are_counted() {
        let (passed, mut state) = passed(|| {
            (0..2000).for_each(|_| incident("CP1"));
            incident("CP2");
            info!(charge_point = "CP1", "disconnected");
        });
        assert_eq!(passed, PER_CHARGE_POINT as usize + 2);
        let reports = state.take_due(None);
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].subject, LineSubject::ChargePoint("CP1".into()));
        assert_eq!(reports[0].suppressed, 2000 - u64::from(PER_CHARGE_POINT));
    }

    #[test]
    fn transforms_are_limited_separately_for_each_charge_point() {
        let fails = |transform: &str| warn!(charge_point = "CP1", %transform, "fails");
        let (passed, mut state) = passed(|| {
            (0..1000).for_each(|_| fails("one"));
            fails("another");
        });
        assert_eq!(passed, PER_CHARGE_POINT as usize + 1);
        let reports = state.take_due(None);
        let [SuppressedReport { transform: Some(transform), suppressed: 990, .. }] = &reports[..] else {
            panic!("{reports:?}")
        };
        assert_eq!(&**transform, "one");
    }

    #[test]
    fn addresses_and_lines_of_code_are_limited_but_debug_and_audit_lines_are_not() {
        let (passed, mut state) = passed(|| {
            (0..1000u16).for_each(|port| info!(address = %format!("10.0.0.1:{port}"), "refused"));
            (0..1000).for_each(|_| warn!("a publication is refused"));
            (0..1000).for_each(|_| debug!(charge_point = "CP1", "a message"));
            (0..1000).for_each(|_| info!(target: TRANSFORM, charge_point = "CP1", "a transform"));
            (0..1000).for_each(|_| info!(target: AUDIT, who = "127.0.0.1:1", "a change"));
        });
        assert_eq!(passed, (PER_ADDRESS + PER_CALLSITE) as usize + 3000);
        assert_eq!(state.take_due(None).iter().map(|report| report.suppressed).sum::<u64>(), 900 + 800);
    }

    #[test]
    fn suppressed_lines_are_reported_once_when_their_window_ends() {
        let (_, mut state) = passed(|| (0..=PER_CHARGE_POINT).for_each(|_| incident("CP1")));
        let key = state.suppressed.keys().next().expect("one is suppressed").clone();
        let end = state.next_report().expect("a report");
        assert!(state.take_due(Some(end - Duration::from_millis(1))).is_empty());
        assert!(!state.admit(key.clone(), "", end - Duration::from_millis(1)));
        assert!(state.admit(key, "", end));
        assert_eq!(state.take_due(Some(end)).iter().map(|report| report.suppressed).collect::<Vec<_>>(), [2]);
        assert!(state.next_report().is_none() && state.take_due(None).is_empty());
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_charge_points() {
        let (_, mut state) = passed(|| (0..=PER_CHARGE_POINT).for_each(|_| incident("CP0")));
        let (key, now) = (state.suppressed.keys().next().expect("one is suppressed").clone(), Instant::now());
        for number in 0..2 * MAX_WINDOWS {
            let subject = LineSubject::ChargePoint(format!("CP{number}").into());
            for _ in 0..=PER_CHARGE_POINT {
                state.admit(Key { subject: subject.clone(), ..key.clone() }, "", now);
            }
        }
        assert!(state.windows.len() <= MAX_WINDOWS && state.suppressed.len() <= MAX_WINDOWS);
        let reported: u64 = state.take_due(None).iter().map(|report| report.suppressed).sum();
        // One line of CP0 was suppressed before, and all of its lines in the loop.
        assert_eq!(reported, 1 + 2 * MAX_WINDOWS as u64 + u64::from(PER_CHARGE_POINT));
    }
}
