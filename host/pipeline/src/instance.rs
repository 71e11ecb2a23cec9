//! One instance of a transform: its memory, its limits and the functions that can be called.

use crate::abi::{self, FrameIn, Packed, PeerIn, PublishIn};
use crate::error::{Failure, GuestFault, HostFault, LoadFault};
use crate::guest::{DeadlineExceeded, Guest, MemoryExceeded};
use crate::guest_log::Gate;
use crate::runtime::Runtime;
use crate::spec::Limits;
use std::sync::Arc;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Func, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{Store, Trap};

/// Where the functions of a component are: looked up once per load.
pub(crate) struct Exports {
    pub(crate) configure: ComponentExportIndex,
    pub(crate) subscriptions: ComponentExportIndex,
    pub(crate) to_mqtt: ComponentExportIndex,
    pub(crate) from_mqtt: ComponentExportIndex,
}

/// All it takes to make instances of a transform.
pub(crate) struct Blueprint {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) exports: Exports,
    /// JSON text.
    pub(crate) config: String,
    pub(crate) limits: Limits,
    /// The time limit, in ticks of the runtime.
    pub(crate) ticks: u64,
    pub(crate) gate: Arc<Gate>,
}

/// How much longer than a call an instance may take to start and to be configured.
const START_FACTOR: u32 = 10;

impl Blueprint {
    /// A new instance, configured; and what it says of itself. `transform`: its name, for what it logs meanwhile.
    pub(crate) fn start(&self, transform: &str) -> Result<(Instance, abi::Info), LoadFault> {
        let engine = &self.runtime.engine;
        let mut store = Store::new(engine, Guest::new(&self.limits, self.gate.clone()));
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(self.runtime.ticks(self.limits.time * START_FACTOR));
        let tick = self.runtime.tick;
        store.epoch_deadline_callback(move |mut store| store.data_mut().at_deadline(tick));
        let instance =
            self.pre.instantiate(&mut store).map_err(|error| LoadFault::Start(self.start_failure(&error)))?;
        let functions = Functions::check(&instance, &mut store, &self.exports)?;
        let configured = functions.configure.call(&mut store, (self.config.clone(),));
        let mut instance = Instance { store, functions, calls: 0 };
        instance.flush_log(transform, "");
        match configured {
            Ok((Ok(info),)) => Ok((instance, info)),
            Ok((Err(reason),)) => Err(LoadFault::Config(reason)),
            Err(error) => Err(LoadFault::Start(self.fault(&error).into())),
        }
    }

    fn start_failure(&self, error: &wasmtime::Error) -> Failure {
        let by_the_guest = error.is::<Trap>() || error.is::<MemoryExceeded>() || error.is::<DeadlineExceeded>();
        if by_the_guest { self.fault(error).into() } else { HostFault::Instance(format!("{error:#}")).into() }
    }

    /// What the error of a call means: whatever goes wrong once a call is set up is the guest's.
    pub(crate) fn fault(&self, error: &wasmtime::Error) -> GuestFault {
        if error.is::<DeadlineExceeded>() {
            return GuestFault::Deadline { limit: self.limits.time };
        }
        if let Some(MemoryExceeded { wanted }) = error.downcast_ref() {
            return GuestFault::Memory { wanted: *wanted, limit: self.limits.memory };
        }
        match error.downcast_ref() {
            // Rust and C keep a second stack in linear memory; a guest that runs past it reaches outside.
            Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => GuestFault::Stack,
            _ => GuestFault::Trap(format!("{error:?}")),
        }
    }
}

/// An instance, configured and warm.
pub(crate) struct Instance {
    store: Store<Guest>,
    functions: Functions,
    calls: u32,
}

/// Instances are replaced after so many calls, in case they leak what the memory limit would only notice late.
const CALLS_PER_INSTANCE: u32 = 1_000_000;
/// An instance that is nearly out of memory is replaced as well, but not one that is small from the start.
const CALLS_BEFORE_MEMORY_COUNTS: u32 = 100;

#[allow(clippy::wrong_self_convention)] // `to-mqtt` and `from-mqtt` are the names in the WIT package.
impl Instance {
    /// Gives the next call its time, and its allowance for copying.
    pub(crate) fn prepare(&mut self, blueprint: &Blueprint, bytes_out: usize) {
        self.calls += 1;
        self.store.set_epoch_deadline(blueprint.ticks);
        // The exact limit is checked later; this one keeps a guest from making the host copy the same megabyte often.
        self.store.set_hostcall_fuel(COPIES_PER_BYTE * bytes_out + RECORDS_PER_CALL);
        self.store.data_mut().overdue_since = None;
    }

    pub(crate) fn subscriptions(&mut self, peer: PeerIn<'_>) -> wasmtime::Result<abi::Subscriptions> {
        // SAFETY: the types are those of `Functions::check`.
        unsafe { self.call(self.functions.subscriptions, (peer,)) }
    }

    pub(crate) fn to_mqtt(&mut self, peer: PeerIn<'_>, frame: FrameIn<'_>) -> wasmtime::Result<abi::ToMqtt> {
        // SAFETY: the types are those of `Functions::check`.
        unsafe { self.call(self.functions.to_mqtt, Packed(peer, frame)) }
    }

    pub(crate) fn from_mqtt(&mut self, peer: PeerIn<'_>, message: PublishIn<'_>) -> wasmtime::Result<abi::FromMqtt> {
        // SAFETY: the types are those of `Functions::check`.
        unsafe { self.call(self.functions.from_mqtt, Packed(peer, message)) }
    }

    /// # Safety
    ///
    /// `function` must have been checked to have these types, but for their lifetimes.
    unsafe fn call<In, Out>(&mut self, function: Func, arguments: In) -> wasmtime::Result<Out>
    where
        In: ComponentNamedList + Lower,
        Out: ComponentNamedList + Lift,
    {
        // A `TypedFunc` that is kept names one lifetime for its arguments; this one lives as long as they do.
        let function = unsafe { TypedFunc::<In, Out>::new_unchecked(function) };
        function.call(&mut self.store, arguments)
    }

    /// Hands on what the guest has logged. `charge_point` is empty where there is none.
    pub(crate) fn flush_log(&mut self, transform: &str, charge_point: &str) {
        let log = &mut self.store.data_mut().log;
        if !log.is_empty() {
            log.drain(..).for_each(|line| line.emit(transform, charge_point));
        }
    }

    /// Whether it should make room for a new one.
    pub(crate) fn is_worn_out(&self) -> bool {
        let memory = &self.store.data().memory;
        let nearly_full = memory.used > memory.limit / 4 * 3;
        self.calls >= CALLS_PER_INSTANCE || (nearly_full && self.calls >= CALLS_BEFORE_MEMORY_COUNTS)
    }
}

const COPIES_PER_BYTE: usize = 2;
/// Bytes of records and lists around the text of one call's answer.
const RECORDS_PER_CALL: usize = 64 << 10;

/// The functions of an instance.
struct Functions {
    configure: TypedFunc<(String,), abi::Configure>,
    subscriptions: Func,
    to_mqtt: Func,
    from_mqtt: Func,
}

impl Functions {
    /// Checks that the functions have the types of `wit/transform.wit`.
    fn check(
        instance: &wasmtime::component::Instance,
        store: &mut Store<Guest>,
        exports: &Exports,
    ) -> Result<Self, LoadFault> {
        let mut checked = Checker { instance, store };
        Ok(Functions {
            configure: checked.function("lifecycle.configure", &exports.configure)?,
            subscriptions: *checked
                .function::<(PeerIn<'static>,), abi::Subscriptions>("mapping.subscriptions", &exports.subscriptions)?
                .func(),
            to_mqtt: *checked
                .function::<Packed<'static, FrameIn<'static>>, abi::ToMqtt>("mapping.to-mqtt", &exports.to_mqtt)?
                .func(),
            from_mqtt: *checked
                .function::<Packed<'static, PublishIn<'static>>, abi::FromMqtt>(
                    "mapping.from-mqtt",
                    &exports.from_mqtt,
                )?
                .func(),
        })
    }
}

struct Checker<'a> {
    instance: &'a wasmtime::component::Instance,
    store: &'a mut Store<Guest>,
}

impl Checker<'_> {
    fn function<In, Out>(
        &mut self,
        hook: &'static str,
        index: &ComponentExportIndex,
    ) -> Result<TypedFunc<In, Out>, LoadFault>
    where
        In: ComponentNamedList + Lower,
        Out: ComponentNamedList + Lift,
    {
        let function = self.instance.get_typed_func(&mut *self.store, index);
        function.map_err(|error| LoadFault::OtherShape { hook, reason: format!("{error:#}") })
    }
}
