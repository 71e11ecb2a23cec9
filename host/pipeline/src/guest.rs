//! What the host keeps for a guest, and what it lets the guest have: memory, a log, a clock.

use crate::abi;
use crate::guest_log::{Gate, Line, Passage};
use crate::spec::Limits;
use cpu_time::ThreadTime;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// What a store keeps for the guest in it.
pub(crate) struct Guest {
    pub(crate) memory: MemoryLimit,
    /// The thread's CPU time when this call came to its deadline.
    pub(crate) overdue_since: Option<Duration>,
    pub(crate) log: Vec<Line>,
    gate: Arc<Gate>,
}

impl Guest {
    pub(crate) fn new(limits: &Limits, gate: Arc<Gate>) -> Self {
        let memory = MemoryLimit { used: 0, limit: limits.memory };
        Guest { memory, overdue_since: None, log: Vec::new(), gate }
    }

    /// What to do at a deadline, and again at each `tick` after it. The deadline is one by the clock on the wall, which
    /// goes on while the machine is busy with others and this thread does not get to run; so a guest is stopped only when
    /// it has used up another tick of the processor's time.
    pub(crate) fn at_deadline(&mut self, tick: Duration) -> wasmtime::Result<UpdateDeadline> {
        let now = ThreadTime::now().as_duration();
        let since = *self.overdue_since.get_or_insert(now);
        if now - since < tick { Ok(UpdateDeadline::Continue(1)) } else { Err(DeadlineExceeded.into()) }
    }

    fn log(&mut self, line: Line) {
        match self.gate.ask(Instant::now()) {
            Passage::Open => self.log.push(line),
            Passage::OpenAgain(suppressed) => {
                let report = format!("{suppressed} lines were suppressed: over the limit per second");
                self.log.extend([Line::new(abi::Level::Warn, report, Vec::new()), line]);
            }
            Passage::Shut => {}
        }
    }
}

/// Linear memory never shrinks, so what was ever granted is what is in use.
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

/// Entries in the tables of one instance; a guest of a megabyte of code has some thousands.
const MAX_TABLE_ELEMENTS: usize = 100_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        if wanted > self.limit {
            // Answering `false` would show as a bare `unreachable`, once the guest has given up.
            return Err(MemoryExceeded { wanted }.into());
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

/// Defines what transforms may import.
pub(crate) fn define_imports(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let name = |interface| format!("{}/{interface}@{}", abi::PACKAGE, abi::VERSION);
    linker.instance(&name("log"))?.func_wrap("log", |mut store, (level, message, fields): (abi::Level, _, _)| {
        store.data_mut().log(Line::new(level, message, fields));
        Ok(())
    })?;
    let mut clock = linker.instance(&name("clock"))?;
    clock.func_wrap("unix-ms", |_, ()| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),))
    })?;
    clock.func_wrap("monotonic-ns", |_, ()| {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        Ok((u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),))
    })
}
