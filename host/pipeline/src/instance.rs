//! One instance of a transform: its memory, its limits and the functions that can be called.

use crate::abi;
use crate::caller::Caller;
use crate::error::{Failure, GuestFault, HostFault, LoadFault};
use crate::guest::{DeadlineExceeded, MemoryExceeded, NotGranted, StoreData, TransformShared};
use crate::guest_log;
use crate::hook::{Configure, Functions, Hook, PerFunction};
use crate::load_options::LongCalls;
use crate::output::{self, Allowance};
use crate::runtime::{Runtime, Ticker};
use crate::settings::Limits;
use crate::subject::Subject;
use crate::trap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use wasmtime::component::{ComponentExportIndex, InstancePre};
use wasmtime::{Store, Trap};

/// What is needed to make instances of a transform.
#[derive(Clone)]
pub(crate) struct InstanceFactory {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) pre: InstancePre<StoreData>,
    /// The exported functions of the component, looked up once per load.
    pub(crate) exports: Arc<PerFunction<ComponentExportIndex>>,
    /// JSON text.
    pub(crate) config: String,
    pub(crate) limits: Limits,
    /// Whether the component imports `state`.
    pub(crate) keeps_state: bool,
    /// The time limit of a call.
    pub(crate) time: Duration,
    /// The time limit in ticks of the runtime.
    pub(crate) ticks: u64,
    /// Held if the time of a call is limited.
    pub(crate) _ticker: Option<Arc<Ticker>>,
    pub(crate) long_calls: LongCalls,
    pub(crate) shared: Arc<TransformShared>,
}

/// An instance may take this many times the limit of a call to start and to be configured.
const START_FACTOR: u32 = 10;

impl InstanceFactory {
    /// Makes and configures an instance; also returns what the component reports for itself. `transform`: its name, for
    /// log lines until then.
    pub(crate) fn start(&self, transform: &str) -> Result<(Instance, abi::Info), LoadFault> {
        let mut store = Store::new(self.pre.engine(), StoreData::new(&self.limits, self.shared.clone()));
        store.limiter(|guest| &mut guest.memory);
        let ticks = store.data_mut().call_deadline.start(self.runtime.ticks(self.time.saturating_mul(START_FACTOR)));
        store.set_epoch_deadline(ticks);
        let (tick, long_calls) = (self.runtime.tick, self.long_calls);
        store.epoch_deadline_callback(move |mut store| store.data_mut().call_deadline.at_deadline(tick, long_calls));
        store.set_hostcall_fuel(self.copy_limit(Allowance::new(&self.limits, 0)));
        let instance = self.pre.instantiate(&mut store).map_err(|error| {
            store.data_mut().call_deadline.end();
            store.data_mut().take_log().for_each(|line| line.emit(transform, "", Subject::NONE));
            LoadFault::Start(self.start_failure(&error, &store))
        })?;
        let functions = Functions::of(&instance, &mut store, &self.exports).map_err(|(function, error)| {
            let hook = format!("{}.{}", function.interface(), function.name());
            LoadFault::OtherShape { hook, reason: format!("{error:#}") }
        })?;
        let mut instance = Instance { store, functions, calls: 0, memory_at_start: 0 };
        let configured = instance.call::<Configure>((&self.config,));
        let configured = match configured {
            Ok(answer) => Ok(output::info(answer, Allowance::new(&self.limits, 0))
                .map_err(|illegal| LoadFault::Start(illegal.into()))?),
            Err(error) => Err(error),
        };
        let version = match &configured {
            Ok(Ok(info)) => info.version.as_str(),
            _ => "",
        };
        instance.flush_log(transform, version, Subject::NONE);
        instance.memory_at_start = instance.store.data().memory.used;
        match configured {
            Ok(Ok(info)) => Ok((instance, info)),
            Ok(Err(reason)) => Err(LoadFault::Config(reason)),
            Err(error) => Err(LoadFault::Start(instance.fault(&error, self).into())),
        }
    }

    /// An instance for each thread that may call one, so that no message waits for it.
    pub(crate) fn spares(&self, transform: &str) -> Result<Vec<Instance>, LoadFault> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        (0..threads).map(|_| Ok(self.start(transform)?.0)).collect()
    }

    /// The most bytes that the host copies from a guest at a time: for one answer, or for one imported function that
    /// the guest calls. The exact limits are checked on the copy; this limit keeps a guest from having the same
    /// megabyte copied often.
    fn copy_limit(&self, allowance: Allowance) -> usize {
        // wasmtime also counts values for `state`, although nothing is copied of them before they are known to fit. A
        // value that does not fit must not stop a guest. It is no larger than the guest's memory, unless the guest
        // names the same bytes twice.
        let value = if self.keeps_state { self.limits.memory } else { 0 };
        allowance.copied().max(value)
    }

    fn start_failure(&self, error: &wasmtime::Error, store: &Store<StoreData>) -> Failure {
        let is_guest_fault = error.is::<Trap>()
            || error.is::<MemoryExceeded>()
            || error.is::<DeadlineExceeded>()
            || error.is::<NotGranted>();
        if is_guest_fault { self.fault(error, store).into() } else { HostFault::Instance(format!("{error:#}")).into() }
    }

    /// Converts the error of a call: whatever goes wrong after a call is set up is a fault of the guest.
    fn fault(&self, error: &wasmtime::Error, store: &Store<StoreData>) -> GuestFault {
        if error.is::<DeadlineExceeded>() {
            return GuestFault::Deadline { limit: self.time };
        }
        if let Some(MemoryExceeded { wanted }) = error.downcast_ref() {
            return GuestFault::Memory { wanted: *wanted, limit: self.limits.memory };
        }
        match error.downcast_ref() {
            // Rust and C keep a second stack in linear memory; a guest that exceeds it accesses memory out of bounds.
            Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => GuestFault::Stack,
            // A guest that gives up has said why, and the trap only says that it did.
            Some(Trap::UnreachableCodeReached) => {
                let said = store.data().last_error().map(|said| format!("{said}\n")).unwrap_or_default();
                GuestFault::Trap(said + &trap::describe(error, ""))
            }
            // The error of wasmtime for values over the copy limit names no number.
            None if !error.is::<NotGranted>() => {
                let note = format!(" (at most {} bytes are copied at a time)", store.hostcall_fuel());
                GuestFault::Trap(trap::describe(error, &note))
            }
            _ => GuestFault::Trap(trap::describe(error, "")),
        }
    }
}

/// A configured instance.
pub(crate) struct Instance {
    store: Store<StoreData>,
    functions: Functions,
    calls: u32,
    /// Memory used when it was configured, in bytes.
    memory_at_start: usize,
}

/// Instances are replaced after this many calls, in case they leak so little that the memory limit is reached late.
const CALLS_PER_INSTANCE: u32 = 1_000_000;

impl Instance {
    /// Sets the time, the copy limit and the caller of the next call.
    pub(crate) fn prepare(&mut self, factory: &InstanceFactory, allowance: Allowance, caller: Caller) {
        self.calls += 1;
        self.store.data_mut().caller = caller;
        self.store.data_mut().forget_last_error();
        let ticks = self.store.data_mut().call_deadline.start(factory.ticks);
        self.store.set_epoch_deadline(ticks);
        self.store.set_hostcall_fuel(factory.copy_limit(allowance));
    }

    /// Converts the error of the call that has just failed. To be called after [`flush_log`](Self::flush_log).
    pub(crate) fn fault(&self, error: &wasmtime::Error, factory: &InstanceFactory) -> GuestFault {
        factory.fault(error, &self.store)
    }

    /// Calls a function. It fails if the component does not export the function.
    pub(crate) fn call<H: Hook>(&mut self, arguments: H::Arguments<'_>) -> wasmtime::Result<H::Answer> {
        let function = H::find(&self.functions);
        let function = function.ok_or_else(|| wasmtime::format_err!("{:?} is not exported", H::FUNCTION))?;
        let answer = function.call(&mut self.store, arguments);
        self.store.data_mut().call_deadline.end();
        answer.map(|(answer,)| answer)
    }

    /// Writes the lines of the guest to the log, and to the trace if there is one.
    pub(crate) fn flush_log(&mut self, transform: &str, version: &str, subject: Subject<'_>) {
        if self.store.data().has_log() {
            let shared = self.store.data().shared().clone();
            for line in self.store.data_mut().take_log() {
                guest_log::trace(&line);
                if !shared.is_for_trial {
                    line.emit(transform, version, subject);
                }
            }
        }
    }

    /// Whether it should be replaced: after too many calls, or when it has used most of the memory that was left when
    /// it was configured.
    pub(crate) fn needs_recycling(&self) -> bool {
        let memory = &self.store.data().memory;
        let (used, left) = (memory.used - self.memory_at_start, memory.limit - self.memory_at_start);
        self.calls >= CALLS_PER_INSTANCE || used > left / 4 * 3
    }
}
