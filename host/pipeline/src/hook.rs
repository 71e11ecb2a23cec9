//! The functions that a transform may export: a type for each, so that none is ever called with the arguments of another.

use crate::abi::{self, FrameIn, OfferIn, Packed, PeerIn, PublishIn};
use crate::guest::Guest;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower};

/// One of them, with what it takes and what it answers.
pub(crate) trait Hook {
    const FUNCTION: Function;
    type Arguments<'a>: ComponentNamedList + Lower;
    type Answer: ComponentNamedList + Lift + 'static;
}

macro_rules! hooks {
    ($($name:ident = $interface:literal, $function:literal: $arguments:ty => $answer:ty;)+) => {
        /// What is exported, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Function {
            $($name),+
        }

        impl Function {
            pub(crate) const ALL: &[Function] = &[$(Function::$name),+];
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The name of its interface in the WIT package.
            pub(crate) fn interface(self) -> &'static str {
                match self {
                    $(Function::$name => $interface),+
                }
            }

            /// The exported function, once it is known to have this hook's type.
            pub(crate) fn check(
                self,
                instance: &Instance,
                store: &mut Store<Guest>,
                export: &ComponentExportIndex,
            ) -> wasmtime::Result<Func> {
                Ok(match self {
                    $(Function::$name => *instance
                        .get_typed_func::<<$name as Hook>::Arguments<'static>, <$name as Hook>::Answer>(store, export)?
                        .func()),+
                })
            }

            /// Its own name there.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Function::$name => $function),+
                }
            }
        }

        $(
            pub(crate) struct $name;

            impl Hook for $name {
                const FUNCTION: Function = Function::$name;
                type Arguments<'a> = $arguments;
                type Answer = $answer;
            }
        )+
    };
}

hooks! {
    Configure = "lifecycle", "configure": (&'a str,) => (Result<abi::Info, String>,);
    Subscriptions = "mapping", "subscriptions": (PeerIn<'a>,) => (Vec<abi::TopicFilter>,);
    ToMqtt = "mapping", "to-mqtt": Packed<'a, FrameIn<'a>> => (Result<Vec<abi::Publish>, abi::Refusal>,);
    FromMqtt = "mapping", "from-mqtt": Packed<'a, PublishIn<'a>> => (Result<Vec<abi::Frame>, abi::Refusal>,);
    Uplink = "uplink", "handle": Packed<'a, FrameIn<'a>> => (Vec<abi::FrameAction>,);
    Downlink = "downlink", "handle": Packed<'a, FrameIn<'a>> => (Vec<abi::FrameAction>,);
    Outbound = "outbound", "handle": Packed<'a, PublishIn<'a>> => (Vec<abi::PublishAction>,);
    Inbound = "inbound", "handle": Packed<'a, PublishIn<'a>> => (Vec<abi::PublishAction>,);
    Admit = "admission", "admit": (OfferIn<'a>,) => (abi::Decision,);
    Connected = "events", "connected": (PeerIn<'a>,) => (Vec<abi::Publish>,);
    Disconnected = "events", "disconnected": (PeerIn<'a>, &'a str) => (Vec<abi::Publish>,);
    Schemas = "validation", "schemas": () => (Vec<abi::Rule>,);
    Check = "validation", "check": Packed<'a, FrameIn<'a>> => (Option<abi::CallError>,);
}

/// The interfaces of hooks, each once, in the order of the WIT package.
pub(crate) fn interfaces() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<_> = Function::ALL.iter().map(|function| function.interface()).collect();
    names.dedup();
    names.into_iter()
}

/// Which functions a component exports, or something for each of them.
pub(crate) struct PerFunction<T>([Option<T>; Function::COUNT]);

impl<T> PerFunction<T> {
    pub(crate) fn new() -> Self {
        PerFunction([const { None }; Function::COUNT])
    }

    pub(crate) fn set(&mut self, function: Function, value: T) {
        self.0[function as usize] = Some(value);
    }

    pub(crate) fn get(&self, function: Function) -> Option<&T> {
        self.0[function as usize].as_ref()
    }
}
