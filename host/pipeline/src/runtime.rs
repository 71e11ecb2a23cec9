//! The engine, and the ticker that enforces time limits.

use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;
use wasmtime::{Config, Engine, EngineWeak};

/// How many ticks the shortest time limit has. A call is stopped within two ticks of its limit.
const TICKS_PER_LIMIT: u32 = 4;
const MIN_TICK: Duration = Duration::from_millis(1);
/// A call is a long call after two ticks, whatever its time limit; until then it blocks the other tasks of its thread.
const MAX_TICK: Duration = Duration::from_millis(5);

/// The engine and the ticker, shared by the transforms of one pipeline.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) tick: Duration,
    ticker: Mutex<Weak<Ticker>>,
    connected: AtomicUsize,
}

/// Advances the epoch of the engine until it is dropped.
pub(crate) struct Ticker {
    _alive: Sender<()>,
}

impl Runtime {
    /// `shortest_limit`: the shortest time that a transform of the pipeline is allowed per call.
    pub(crate) fn new(shortest_limit: Duration) -> wasmtime::Result<Self> {
        let engine = engine()?;
        let tick = (shortest_limit / TICKS_PER_LIMIT).clamp(MIN_TICK, MAX_TICK);
        Ok(Runtime { engine, tick, ticker: Mutex::default(), connected: AtomicUsize::new(0) })
    }

    /// How many charge points are connected.
    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Relaxed)
    }

    pub(crate) fn note_connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_disconnected(&self) {
        let less = |connected: usize| Some(connected.saturating_sub(1));
        // The closure always returns a value, so the update cannot fail.
        let _ = self.connected.fetch_update(Relaxed, Relaxed, less);
    }

    /// The shared ticker. Each transform with a time limit holds it: a gateway without such transforms is not woken
    /// hundreds of times a second.
    pub(crate) fn ticker(&self) -> io::Result<Arc<Ticker>> {
        let mut ticker = self.ticker.lock();
        if let Some(ticker) = ticker.upgrade() {
            return Ok(ticker);
        }
        let new = Arc::new(Ticker::start(self.engine.weak(), self.tick)?);
        *ticker = Arc::downgrade(&new);
        Ok(new)
    }

    /// The number of ticks after which a call has had `time`, less at most one tick.
    pub(crate) fn ticks(&self, time: Duration) -> u64 {
        // It is never reached, and adding it to the current epoch does not overflow.
        const NEVER: u64 = u64::MAX / 2;
        u64::try_from(time.as_nanos().div_ceil(self.tick.as_nanos())).unwrap_or(NEVER).min(NEVER)
    }
}

impl Ticker {
    fn start(engine: EngineWeak, tick: Duration) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel::<()>();
        thread::Builder::new().name("transform-ticker".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(tick) {
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        })?;
        Ok(Ticker { _alive: alive })
    }
}

/// An engine whose code checks the epoch regularly, so that deadlines can be enforced.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    // Support for components with asynchronous functions adds 40 % to a small call of any component.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    Engine::new(&config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ticker_runs_while_it_is_in_use_and_none_otherwise() {
        let runtime = Runtime::new(Duration::from_millis(20)).expect("an engine");
        let tickers = || runtime.ticker.lock().strong_count();
        assert_eq!(tickers(), 0);
        for _ in 0..2 {
            let (one, other) = (runtime.ticker().expect("a thread"), runtime.ticker().expect("a thread"));
            assert!(Arc::ptr_eq(&one, &other));
            drop((one, other));
            assert_eq!(tickers(), 0);
        }
    }
}
