//! One instance of a transform: its memory, its limits and the functions that can be called.

use crate::abi;
use crate::caller::Caller;
use crate::error::{Failure, GuestFault, HostFault, LoadFault};
use crate::guest::{DeadlineExceeded, MemoryExceeded, NotGranted, StoreData, TransformShared};
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

/// All it takes to make instances of a transform.
#[derive(Clone)]
pub(crate) struct InstanceFactory {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) pre: InstancePre<StoreData>,
    /// Where the functions of the component are: looked up once per load.
    pub(crate) exports: Arc<PerFunction<ComponentExportIndex>>,
    /// JSON text.
    pub(crate) config: String,
    pub(crate) limits: Limits,
    /// It hands the gateway values to keep.
    pub(crate) keeps_state: bool,
    /// What a call may take.
    pub(crate) time: Duration,
    /// The same in ticks of the runtime.
    pub(crate) ticks: u64,
    /// Where the time of a call is limited.
    pub(crate) _ticker: Option<Arc<Ticker>>,
    pub(crate) long_calls: LongCalls,
    pub(crate) shared: Arc<TransformShared>,
}

/// How much longer than a call an instance may take to start and to be configured.
const START_FACTOR: u32 = 10;

impl InstanceFactory {
    /// A new instance, configured; and what it says of itself. `transform`: its name, for what it logs meanwhile.
    pub(crate) fn start(&self, transform: &str) -> Result<(Instance, abi::Info), LoadFault> {
        let mut store = Store::new(self.pre.engine(), StoreData::new(&self.limits, self.shared.clone()));
        store.limiter(|guest| &mut guest.memory);
        let ticks = store.data_mut().call_deadline.anew(self.runtime.ticks(self.time.saturating_mul(START_FACTOR)));
        store.set_epoch_deadline(ticks);
        let (tick, long_calls) = (self.runtime.tick, self.long_calls);
        store.epoch_deadline_callback(move |mut store| store.data_mut().call_deadline.at_deadline(tick, long_calls));
        store.set_hostcall_fuel(self.copied(Allowance::new(&self.limits, 0)));
        let instance = self.pre.instantiate(&mut store).map_err(|error| {
            store.data_mut().call_deadline.end();
            store.data_mut().take_log().for_each(|line| line.emit(transform, "", Subject::NOBODY));
            LoadFault::Start(self.start_failure(&error, store.hostcall_fuel()))
        })?;
        let functions = Functions::of(&instance, &mut store, &self.exports).map_err(|(function, error)| {
            let hook = format!("{}.{}", function.interface(), function.name());
            LoadFault::OtherShape { hook, reason: format!("{error:#}") }
        })?;
        let mut instance = Instance { store, functions, calls: 0, memory_at_start: 0 };
        let configured = instance.call::<Configure>((&self.config,));
        let configured = match configured {
            Ok(answer) => Ok(output::introduction(answer, Allowance::new(&self.limits, 0))
                .map_err(|illegal| LoadFault::Start(illegal.into()))?),
            Err(error) => Err(error),
        };
        let version = match &configured {
            Ok(Ok(info)) => info.version.as_str(),
            _ => "",
        };
        instance.flush_log(transform, version, Subject::NOBODY);
        instance.memory_at_start = instance.store.data().memory.used;
        match configured {
            Ok(Ok(info)) => Ok((instance, info)),
            Ok(Err(reason)) => Err(LoadFault::Config(reason)),
            Err(error) => Err(LoadFault::Start(self.fault(&error, instance.copied()).into())),
        }
    }

    /// An instance for each thread that may call one, so that no message waits for it.
    pub(crate) fn spares(&self, transform: &str) -> Result<Vec<Instance>, LoadFault> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        (0..threads).map(|_| Ok(self.start(transform)?.0)).collect()
    }

    /// Bytes that the host copies from a guest at a time: for one answer, and for one function that the guest calls. The
    /// exact limits are checked on the copy; this one keeps a guest from having the same megabyte copied often.
    fn copied(&self, allowance: Allowance) -> usize {
        // wasmtime counts values to keep too, of which nothing is copied before they are known to fit; one that does not is
        // no reason to stop a guest, which hands over no more than its memory holds, unless it names the same bytes twice.
        let value = if self.keeps_state { self.limits.memory } else { 0 };
        allowance.copied().max(value)
    }

    /// `copied`: as many bytes could be copied at a time.
    fn start_failure(&self, error: &wasmtime::Error, copied: usize) -> Failure {
        let by_the_guest = error.is::<Trap>()
            || error.is::<MemoryExceeded>()
            || error.is::<DeadlineExceeded>()
            || error.is::<NotGranted>();
        if by_the_guest { self.fault(error, copied).into() } else { HostFault::Instance(format!("{error:#}")).into() }
    }

    /// What the error of a call means: whatever goes wrong once a call is set up is the guest's.
    pub(crate) fn fault(&self, error: &wasmtime::Error, copied: usize) -> GuestFault {
        if error.is::<DeadlineExceeded>() {
            return GuestFault::Deadline { limit: self.time };
        }
        if let Some(MemoryExceeded { wanted }) = error.downcast_ref() {
            return GuestFault::Memory { wanted: *wanted, limit: self.limits.memory };
        }
        match error.downcast_ref() {
            // Rust and C keep a second stack in linear memory; a guest that runs past it reaches outside.
            Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => GuestFault::Stack,
            // What wasmtime says of values that it cannot take over names no figure.
            None if !error.is::<NotGranted>() => {
                GuestFault::Trap(trap::describe(error, &format!(" (at most {copied} bytes are copied at a time)")))
            }
            _ => GuestFault::Trap(trap::describe(error, "")),
        }
    }
}

/// An instance, configured.
pub(crate) struct Instance {
    store: Store<StoreData>,
    functions: Functions,
    calls: u32,
    /// Bytes of memory that it used when it was configured.
    memory_at_start: usize,
}

/// Instances are replaced after so many calls, in case they leak what the memory limit would only notice late.
const CALLS_PER_INSTANCE: u32 = 1_000_000;

impl Instance {
    /// Gives the next call its time, and its allowance for copying.
    pub(crate) fn prepare(&mut self, factory: &InstanceFactory, allowance: Allowance, caller: Caller) {
        self.calls += 1;
        self.store.data_mut().caller = caller;
        let ticks = self.store.data_mut().call_deadline.anew(factory.ticks);
        self.store.set_epoch_deadline(ticks);
        self.store.set_hostcall_fuel(factory.copied(allowance));
    }

    /// Bytes that the host copies at a time in this call.
    pub(crate) fn copied(&self) -> usize {
        self.store.hostcall_fuel()
    }

    /// Calls a function. One that the component does not export is a fault of whoever asked for it.
    pub(crate) fn call<H: Hook>(&mut self, arguments: H::Arguments<'_>) -> wasmtime::Result<H::Answer> {
        let function = H::find(&self.functions);
        let function = function.ok_or_else(|| wasmtime::format_err!("{:?} is not exported", H::FUNCTION))?;
        let answer = function.call(&mut self.store, arguments);
        self.store.data_mut().call_deadline.end();
        answer.map(|(answer,)| answer)
    }

    /// Hands on what the guest has logged.
    pub(crate) fn flush_log(&mut self, transform: &str, version: &str, subject: Subject<'_>) {
        if self.store.data().has_log() {
            self.store.data_mut().take_log().for_each(|line| line.emit(transform, version, subject));
        }
    }

    /// Whether it should make room for a new one: also when it has used up most of the memory that was left to it when
    /// it was configured.
    pub(crate) fn needs_recycling(&self) -> bool {
        let memory = &self.store.data().memory;
        let (used, left) = (memory.used - self.memory_at_start, memory.limit - self.memory_at_start);
        self.calls >= CALLS_PER_INSTANCE || used > left / 4 * 3
    }
}
