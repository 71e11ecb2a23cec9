//! The functions that a transform may export: a type for each, so that none can be called with the arguments of
//! another.

use crate::abi::packed::Packed;
use crate::abi::{self, FrameIn, OfferIn, PeerIn, PublishIn};
use crate::actions::{FrameAction, PublishAction, SchemaRule};
use crate::error::Failure;
use crate::output::{self, Allowance};
use ocpp_gateway_core::{CallError, Decision, Frame, Publish, TopicFilter};
use wasmtime::AsContextMut;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc};

/// One of these functions, with its arguments, its answer, and the type of the checked answer.
pub(crate) trait Hook {
    const FUNCTION: Function;
    type Arguments<'a>: ComponentNamedList + Lower;
    type Answer: Lift + 'static;
    type Checked;

    /// The function among those of an instance; `None` if the component does not export it.
    fn find<'a>(functions: &Functions) -> Option<HookFunc<'a, Self>>
    where
        Self: Sized;

    /// Checks and converts the answer.
    fn check(answer: Self::Answer, allowance: Allowance) -> Result<Self::Checked, Failure>;
}

/// The function of a hook, for arguments that live as long as `'a`.
pub(crate) type HookFunc<'a, H> = TypedFunc<<H as Hook>::Arguments<'a>, (<H as Hook>::Answer,)>;

macro_rules! hooks {
    ($($name:ident, $field:ident = $interface:literal, $function:literal: $arguments:ty
        => $answer:ty, $check:path => $checked:ty;)+) => {
        /// The exported functions, by name.
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

            /// Its name in that interface.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Function::$name => $function),+
                }
            }
        }

        /// The functions of one instance that can be called, each known to have the types of its hook.
        pub(crate) struct Functions {
            $($field: Option<HookFunc<'static, $name>>),+
        }

        impl Functions {
            /// Looks up what is exported. The error names the function that has other types.
            pub(crate) fn of(
                instance: &Instance,
                store: &mut impl AsContextMut,
                exports: &PerFunction<ComponentExportIndex>,
            ) -> Result<Self, (Function, wasmtime::Error)> {
                $(let $field = match exports.get(Function::$name) {
                    Some(export) => Some(
                        instance.get_typed_func(&mut *store, export).map_err(|error| (Function::$name, error))?,
                    ),
                    None => None,
                };)+
                Ok(Functions { $($field),+ })
            }
        }

        $(
            pub(crate) struct $name;

            impl Hook for $name {
                const FUNCTION: Function = Function::$name;
                type Arguments<'a> = $arguments;
                type Answer = $answer;
                type Checked = $checked;

                fn find<'a>(functions: &Functions) -> Option<HookFunc<'a, Self>> {
                    // The lifetime of the arguments does not matter to a guest or to `TypedFunc`.
                    functions.$field
                }

                #[allow(clippy::needless_question_mark)] // Only the checks of mappings return a `Failure` themselves.
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
    Configure, configure = "lifecycle", "configure": (&'a str,)
        => Result<abi::Info, String>, output::info => Result<abi::Info, String>;
    Subscriptions, subscriptions = "mapping", "subscriptions": (PeerIn<'a>,)
        => Vec<abi::TopicFilter>, output::filters => Vec<TopicFilter>;
    ToMqtt, to_mqtt = "mapping", "to-mqtt": Packed<'a, FrameIn<'a>>
        => Mapped<abi::Publish>, output::mapped_publishes => Vec<Publish>;
    FromMqtt, from_mqtt = "mapping", "from-mqtt": Packed<'a, PublishIn<'a>>
        => Mapped<abi::Frame>, output::mapped_frames => Vec<Frame<'static>>;
    Uplink, uplink = "uplink", "handle": Packed<'a, FrameIn<'a>>
        => Vec<abi::LiftedFrameAction>, output::frame_actions => Vec<FrameAction>;
    Downlink, downlink = "downlink", "handle": Packed<'a, FrameIn<'a>>
        => Vec<abi::LiftedFrameAction>, output::frame_actions => Vec<FrameAction>;
    Outbound, outbound = "outbound", "handle": Packed<'a, PublishIn<'a>>
        => Vec<abi::LiftedPublishAction>, output::publish_actions => Vec<PublishAction>;
    Inbound, inbound = "inbound", "handle": Packed<'a, PublishIn<'a>>
        => Vec<abi::LiftedPublishAction>, output::publish_actions => Vec<PublishAction>;
    Admit, admit = "admission", "admit": (OfferIn<'a>,)
        => abi::Decision, output::decision => Decision;
    Connected, connected = "events", "connected": (PeerIn<'a>,)
        => Vec<abi::Publish>, output::publishes => Vec<Publish>;
    Disconnected, disconnected = "events", "disconnected": (PeerIn<'a>, &'a str)
        => Vec<abi::Publish>, output::publishes => Vec<Publish>;
    Schemas, schemas = "validation", "schemas": ()
        => Vec<abi::Rule>, output::rules => Vec<SchemaRule>;
    Check, check = "validation", "check": Packed<'a, FrameIn<'a>>
        => Option<abi::CallError>, output::violation => Option<CallError>;
}

impl Function {
    /// The name of the hook, as operators see it: that of its interface, and of a mapping the function.
    pub(crate) fn hook(self) -> &'static str {
        match self.interface() {
            "mapping" => self.name(),
            interface => interface,
        }
    }
}

/// The interfaces of hooks, each once, in the order of the WIT package.
pub(crate) fn interfaces() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<_> = Function::ALL.iter().map(|function| function.interface()).collect();
    names.dedup();
    names.into_iter()
}

/// The attribute of `info` with which a component names the hooks that it uses of those that it exports: `uplink to-mqtt`.
const HOOKS: &str = "hooks";

/// The hooks that a component uses in its configuration. A generic component, such as one that runs scripts, exports all
/// hooks; those that its configuration does not use are never called.
pub(crate) struct UsedHooks<'a>(Option<&'a str>);

impl<'a> UsedHooks<'a> {
    /// `attributes`: those of `info`. Without the one for it, all exported hooks are in use.
    pub(crate) fn of(attributes: &'a [(String, String)]) -> Self {
        UsedHooks(attributes.iter().find(|(name, _)| name == HOOKS).map(|(_, hooks)| hooks.as_str()))
    }

    pub(crate) fn contains(&self, function: Function) -> bool {
        let is_named = |names: &str, function: Function| {
            names.split_whitespace().any(|name| {
                let name = name.replace('_', "-");
                // `handle` is the name of four functions; the name of the interface tells them apart.
                name == function.name() || function.name() == "handle" && name == function.interface()
            })
        };
        match (self.0, function.interface()) {
            (None, _) | (Some(_), "lifecycle") => true,
            // The functions of a mapping belong together.
            (Some(names), "mapping") => is_named(names, Function::ToMqtt),
            (Some(names), _) => is_named(names, function),
        }
    }
}

/// A value for each function that a component exports.
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

    pub(crate) fn retain(&mut self, keep: impl Fn(Function) -> bool) {
        for &function in Function::ALL.iter().filter(|function| !keep(**function)) {
            self.0[function as usize] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(hooks: &str) -> Vec<Function> {
        let attributes = [("hooks".to_owned(), hooks.to_owned())];
        let used = UsedHooks::of(&attributes);
        Function::ALL.iter().copied().filter(|function| used.contains(*function)).collect()
    }

    #[test]
    fn only_hooks_that_the_attribute_names_are_in_use() {
        assert_eq!(used(""), [Function::Configure]);
        assert_eq!(used("uplink check"), [Function::Configure, Function::Uplink, Function::Check]);
        assert_eq!(used("inbound disconnected"), [Function::Configure, Function::Inbound, Function::Disconnected]);
    }

    #[test]
    fn functions_of_a_mapping_are_in_use_together() {
        let mapping = [Function::Configure, Function::Subscriptions, Function::ToMqtt, Function::FromMqtt];
        assert_eq!(used("to_mqtt"), mapping);
        assert_eq!(used("to-mqtt from-mqtt subscriptions"), mapping);
        assert_eq!(used("subscriptions"), [Function::Configure]);
    }

    #[test]
    fn all_hooks_are_in_use_without_the_attribute() {
        let used = UsedHooks::of(&[]);
        assert!(Function::ALL.iter().all(|function| used.contains(*function)));
    }
}
