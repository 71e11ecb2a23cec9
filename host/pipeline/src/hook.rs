//! The functions that a transform may export: a type for each, so that none is ever called with the arguments of another.

use crate::abi::{self, FrameIn, OfferIn, Packed, PeerIn, PublishIn};
use crate::error::Failure;
use crate::guest::Guest;
use crate::output::{self, Allowance, FrameAction, PublishAction};
use crate::probe::SchemaRule;
use ocpp_gateway_core::{CallError, Decision, Frame, Publish, TopicFilter};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower};

/// One of them, with what it takes, what it answers, and what becomes of the answer once it is checked.
pub(crate) trait Hook {
    const FUNCTION: Function;
    type Arguments<'a>: ComponentNamedList + Lower;
    type Answer: Lift + 'static;
    type Checked;

    /// Refuses what no guest may answer with.
    fn check(answer: Self::Answer, allowance: Allowance) -> Result<Self::Checked, Failure>;
}

macro_rules! hooks {
    ($($name:ident = $interface:literal, $function:literal: $arguments:ty => $answer:ty, $check:path => $checked:ty;)+) => {
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
                        .get_typed_func::<<$name as Hook>::Arguments<'static>, (<$name as Hook>::Answer,)>(store, export)?
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
                type Checked = $checked;

                #[allow(clippy::needless_question_mark)] // Only mappings fail in more ways than one.
                fn check(answer: $answer, allowance: Allowance) -> Result<$checked, Failure> {
                    Ok($check(answer, allowance)?)
                }
            }
        )+
    };
}

/// What a mapping answers.
type Mapped<Item> = Result<Vec<Item>, abi::Refusal>;

hooks! {
    Configure = "lifecycle", "configure": (&'a str,)
        => Result<abi::Info, String>, output::introduction => Result<abi::Info, String>;
    Subscriptions = "mapping", "subscriptions": (PeerIn<'a>,)
        => Vec<abi::TopicFilter>, output::filters => Vec<TopicFilter>;
    ToMqtt = "mapping", "to-mqtt": Packed<'a, FrameIn<'a>>
        => Mapped<abi::Publish>, output::mapped_publishes => Vec<Publish>;
    FromMqtt = "mapping", "from-mqtt": Packed<'a, PublishIn<'a>>
        => Mapped<abi::Frame>, output::mapped_frames => Vec<Frame<'static>>;
    Uplink = "uplink", "handle": Packed<'a, FrameIn<'a>>
        => Vec<abi::FrameAction>, output::frame_actions => Vec<FrameAction>;
    Downlink = "downlink", "handle": Packed<'a, FrameIn<'a>>
        => Vec<abi::FrameAction>, output::frame_actions => Vec<FrameAction>;
    Outbound = "outbound", "handle": Packed<'a, PublishIn<'a>>
        => Vec<abi::PublishAction>, output::publish_actions => Vec<PublishAction>;
    Inbound = "inbound", "handle": Packed<'a, PublishIn<'a>>
        => Vec<abi::PublishAction>, output::publish_actions => Vec<PublishAction>;
    Admit = "admission", "admit": (OfferIn<'a>,)
        => abi::Decision, output::decision => Decision;
    Connected = "events", "connected": (PeerIn<'a>,)
        => Vec<abi::Publish>, output::publishes => Vec<Publish>;
    Disconnected = "events", "disconnected": (PeerIn<'a>, &'a str)
        => Vec<abi::Publish>, output::publishes => Vec<Publish>;
    Schemas = "validation", "schemas": ()
        => Vec<abi::Rule>, output::rules => Vec<SchemaRule>;
    Check = "validation", "check": Packed<'a, FrameIn<'a>>
        => Option<abi::CallError>, output::violation => Option<CallError>;
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
