//! The data that the host keeps for a guest, and what it provides to the guest: memory, log, state, metrics, clock.

use crate::abi;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::console::{Console, StandardStream};
use crate::custom_metrics::CustomMetrics;
use crate::guest_log::{GuestLogLimiter, Line};
use crate::last_error::LastError;
use crate::load_options::LongCalls;
use crate::package::{PACKAGE, VERSION};
use crate::settings::Limits;
use crate::state::StateStore;
use crate::stats::CallStats;
use cpu_time::ThreadTime;
use ocpp_gateway_core::Attributes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// The data in the store of one instance.
pub(crate) struct StoreData {
    pub(crate) memory: MemoryLimit,
    pub(crate) call_deadline: CallDeadline,
    /// The caller of the current call, as quotas count it.
    pub(crate) caller: Caller,
    log: Vec<Line>,
    console: Console,
    last_error: LastError,
    shared: Arc<TransformShared>,
}

/// What all instances and versions of one transform share.
pub(crate) struct TransformShared {
    pub(crate) log_limiter: GuestLogLimiter,
    pub(crate) state_store: Arc<StateStore>,
    pub(crate) custom_metrics: Arc<CustomMetrics>,
    pub(crate) call_stats: CallStats,
    /// The number of instances.
    pub(crate) instances: AtomicUsize,
    clock: Clock,
    /// In a trial, lines are not written to the log.
    pub(crate) is_for_trial: bool,
}

impl TransformShared {
    pub(crate) fn new(limits: &Limits, clock: Clock) -> Self {
        TransformShared {
            log_limiter: GuestLogLimiter::new(limits.log_lines),
            state_store: Arc::new(StateStore::new(*limits)),
            custom_metrics: Arc::default(),
            call_stats: CallStats::default(),
            instances: AtomicUsize::new(0),
            clock,
            is_for_trial: false,
        }
    }

    /// For a trial: with a copy of the state.
    pub(crate) fn for_trial(&self, limits: &Limits) -> Self {
        let state_store = Arc::new(self.state_store.copy());
        TransformShared { state_store, is_for_trial: true, ..Self::new(limits, self.clock.clone()) }
    }

    /// For a version that serves some charge points beside the one that serves the others: with the same state and
    /// metrics, and counts of its own.
    pub(crate) fn for_canary(&self, limits: &Limits) -> Self {
        let (state_store, custom_metrics) = (self.state_store.clone(), self.custom_metrics.clone());
        TransformShared { state_store, custom_metrics, ..Self::new(limits, self.clock.clone()) }
    }

    /// Values of an earlier version stay, even if they exceed the limits of this one.
    pub(crate) fn set_limits(&self, limits: &Limits) {
        self.log_limiter.set_limit(limits.log_lines);
        self.state_store.set_limits(*limits);
    }
}

impl StoreData {
    pub(crate) fn new(limits: &Limits, shared: Arc<TransformShared>) -> Self {
        let memory = MemoryLimit { used: 0, limit: limits.memory };
        shared.instances.fetch_add(1, Relaxed);
        StoreData {
            memory,
            call_deadline: CallDeadline::default(),
            caller: Caller::default(),
            log: Vec::new(),
            console: Console::default(),
            last_error: LastError::default(),
            shared,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<TransformShared> {
        &self.shared
    }

    /// The clock of transforms.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Takes what a component writes to a standard stream, and logs it by line.
    pub(crate) fn print(&mut self, stream: StandardStream, bytes: &[u8]) {
        let StoreData { console, log, last_error, shared, caller, .. } = self;
        let log_limiter = &shared.log_limiter;
        console.write(stream, bytes, |level, line| {
            last_error.printed(level, &line);
            add_line(log, log_limiter, *caller, Line::new(level, line, Vec::new()))
        });
    }

    /// To be called before each call.
    pub(crate) fn forget_last_error(&mut self) {
        self.last_error = LastError::default();
    }

    /// What the guest has said in this call about what is wrong.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.text()
    }

    /// Whether anything was logged or printed since the last `take_log`.
    pub(crate) fn has_log(&self) -> bool {
        !self.log.is_empty() || self.console.has_incomplete_line()
    }

    /// Takes what was logged and printed since the last call of this function.
    pub(crate) fn take_log(&mut self) -> impl Iterator<Item = Line> {
        let StoreData { console, log, last_error, shared, caller, .. } = self;
        console.flush(|level, line| {
            last_error.printed(level, &line);
            add_line(log, &shared.log_limiter, *caller, Line::new(level, line, Vec::new()))
        });
        log.drain(..)
    }
}

impl Drop for StoreData {
    fn drop(&mut self) {
        self.shared.instances.fetch_sub(1, Relaxed);
    }
}

/// The deadline of one call.
#[derive(Debug, Default)]
pub(crate) struct CallDeadline {
    /// Ticks between the first deadline, at which the call becomes a long one, and the last.
    left: u64,
    /// The thread's CPU time when this call reached its last deadline.
    overdue_since: Option<Duration>,
    /// Called at the end of the call, if it has become a long one.
    on_end: Option<fn()>,
}

/// A call that has lasted for this many ticks is a long one.
const LONG_CALL_TICKS: u64 = 2;

impl CallDeadline {
    /// Starts a call that may take this many ticks. Returns the number of ticks until its first deadline.
    pub(crate) fn start(&mut self, ticks: u64) -> u64 {
        let first = ticks.min(LONG_CALL_TICKS);
        *self = CallDeadline { left: ticks - first, overdue_since: None, on_end: None };
        first
    }

    /// Called at each deadline, and again at each `tick` after the last one. At the first deadline the call becomes a
    /// long one. Deadlines measure wall time, so a guest is stopped only after it has used another tick of CPU time: a
    /// thread that the system does not run is not stopped.
    pub(crate) fn at_deadline(&mut self, tick: Duration, long_calls: LongCalls) -> wasmtime::Result<UpdateDeadline> {
        if self.left > 0 {
            self.on_end = Some(long_calls.end);
            (long_calls.begin)();
            return Ok(UpdateDeadline::Continue(std::mem::take(&mut self.left)));
        }
        let now = ThreadTime::now().as_duration();
        let since = *self.overdue_since.get_or_insert(now);
        if now - since < tick { Ok(UpdateDeadline::Continue(1)) } else { Err(DeadlineExceeded.into()) }
    }

    /// Ends the call.
    pub(crate) fn end(&mut self) {
        if let Some(end) = self.on_end.take() {
            end();
        }
    }
}

/// Adds a line to the log, unless there have been too many.
fn add_line(log: &mut Vec<Line>, log_limiter: &GuestLogLimiter, caller: Caller, line: Line) {
    match log_limiter.admit(caller.group, Instant::now()) {
        Some(0) => log.push(line),
        Some(suppressed) => {
            let report = format!("{suppressed} lines were suppressed by the limit per second");
            log.extend([Line::new(abi::Level::Warn, report, Vec::new()), line]);
        }
        None => {}
    }
}

/// The limit on all memories and tables of an instance together, in bytes. They never shrink, so all memory ever
/// granted is in use.
pub(crate) struct MemoryLimit {
    pub(crate) used: usize,
    pub(crate) limit: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("out of memory")]
pub(crate) struct MemoryExceeded {
    pub(crate) wanted: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("out of time")]
pub(crate) struct DeadlineExceeded;

/// A component requested something that is not available to transforms.
#[derive(Debug, thiserror::Error)]
#[error("it {0}")]
pub(crate) struct NotGranted(pub(crate) String);

/// Limits for one instance. A memory takes gigabytes of address space, however small it is. A component that is
/// composed of several has a memory and a table for each, and one in Python has some more tables and dozens of core
/// instances.
pub(crate) const MAX_MEMORIES: usize = 8;
pub(crate) const MAX_TABLES: usize = 64;
const MAX_CORE_INSTANCES: usize = 256;
/// Size of a table entry in bytes.
const TABLE_ELEMENT: usize = size_of::<*const ()>();

impl MemoryLimit {
    fn grant(&mut self, more: usize) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(more);
        if wanted > self.limit {
            // After `false` the guest would give up with a bare `unreachable`, which hides the cause.
            return Err(MemoryExceeded { wanted }.into());
        }
        self.used = wanted;
        Ok(true)
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grant(desired.saturating_sub(current))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grant(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT))
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES
    }
}

/// Defines what transforms may import.
pub(crate) fn define_imports(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    define_log(linker)?;
    define_state(linker)?;
    define_metrics(linker)?;
    define_clock(linker)
}

fn name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}

fn define_log(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    linker.instance(&name("log"))?.func_wrap("log", |mut store, line: (abi::Level, String, Attributes)| {
        let (level, message, fields) = line;
        let StoreData { log, last_error, shared, caller, .. } = store.data_mut();
        last_error.logged(level, &message);
        add_line(log, &shared.log_limiter, *caller, Line::new(level, message, fields));
        Ok(())
    })
}

fn define_state(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    // Keys and values are read in the guest's memory; a value is copied only when it is known to fit.
    type Value = WasmList<u8>;
    let mut state = linker.instance(&name("state"))?;
    state.func_wrap("get", |store, (key,): (WasmStr,)| {
        let TransformShared { state_store, clock, .. } = &*store.data().shared;
        Ok((state_store.get(&key.to_str(&store)?, clock.monotonic()),))
    })?;
    state.func_wrap("set", |store, (key, value, ttl_s): (WasmStr, Value, Option<u32>)| {
        let TransformShared { state_store, clock, .. } = &*store.data().shared;
        Ok((state_store.set(&key.to_str(&store)?, value.as_le_slice(&store), ttl_s, clock.monotonic()),))
    })?;
    state.func_wrap("delete", |store, (key,): (WasmStr,)| {
        let TransformShared { state_store, clock, .. } = &*store.data().shared;
        Ok((state_store.delete(&key.to_str(&store)?, clock.monotonic()),))
    })?;
    type CompareAndSet = (WasmStr, Option<Value>, Value, Option<u32>);
    state.func_wrap("compare-and-set", |store, (key, expected, value, ttl_s): CompareAndSet| {
        let TransformShared { state_store, clock, .. } = &*store.data().shared;
        let (key, value) = (key.to_str(&store)?, value.as_le_slice(&store));
        let expected = expected.as_ref().map(|expected| expected.as_le_slice(&store));
        Ok((state_store.compare_and_set(&key, expected, value, ttl_s, clock.monotonic()),))
    })
}

fn define_metrics(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    let mut metrics = linker.instance(&name("metrics"))?;
    metrics.func_wrap("count", |store, (name, by, labels): (String, u32, Attributes)| {
        store.data().shared.custom_metrics.count(name, by, labels);
        Ok(())
    })?;
    metrics.func_wrap("observe", |store, (name, value, labels): (String, f64, Attributes)| {
        store.data().shared.custom_metrics.observe(name, value, labels);
        Ok(())
    })
}

fn define_clock(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    let mut clock = linker.instance(&name("clock"))?;
    clock.func_wrap("unix-ms", |store, ()| {
        let since_epoch = store.data().shared.clock.since_epoch();
        Ok((u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),))
    })?;
    clock.func_wrap("monotonic-ns", |store, ()| {
        let elapsed = store.data().shared.clock.monotonic();
        Ok((u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),))
    })
}
