//! From a type with hook traits to the exports of a component.

/// Makes a type the transform of this crate's component, with the named hooks. The gateway shows the name and the
/// version of the crate. Use it once per crate.
///
/// ```
/// use ocpp_transform::{Events, Frame, FrameAction, Peer, Transform, Uplink, export};
///
/// struct Nothing;
///
/// impl Transform for Nothing {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(Nothing)
///     }
/// }
///
/// impl Events for Nothing {}
///
/// impl Uplink for Nothing {
///     fn handle(&self, _peer: &Peer, _frame: Frame) -> Vec<FrameAction> {
///         vec![FrameAction::Pass]
///     }
/// }
///
/// export!(Nothing: Events, Uplink);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($transform:ty: $($hook:ident),+ $(,)?) => {
        const _: () = {
            impl $crate::__rt::Exported for $transform {
                const NAME: &'static str = env!("CARGO_PKG_NAME");
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");

                fn slot<R>(visit: impl FnOnce(&::std::cell::OnceCell<Self>) -> R) -> R {
                    ::std::thread_local! {
                        static INSTANCE: ::std::cell::OnceCell<$transform> = const { ::std::cell::OnceCell::new() };
                    }
                    INSTANCE.with(visit)
                }
            }

            type Exports = $crate::__rt::Component<$transform>;
            $crate::__export_hook!(Exports, Lifecycle);
            $($crate::__export_hook!(Exports, $hook);)+
        };
    };
}

// On other targets than wasm nothing is exported, because linkers read `@` in a name as a symbol version. The traits
// are still checked.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    ($component:ident, Lifecycle) => { $crate::__export_hook!(@ $component, lifecycle, __export_lifecycle); };
    ($component:ident, Mapping) => { $crate::__export_hook!(@ $component, mapping, __export_mapping); };
    ($component:ident, Uplink) => { $crate::__export_hook!(@ $component, uplink, __export_uplink); };
    ($component:ident, Downlink) => { $crate::__export_hook!(@ $component, downlink, __export_downlink); };
    ($component:ident, Outbound) => { $crate::__export_hook!(@ $component, outbound, __export_outbound); };
    ($component:ident, Inbound) => { $crate::__export_hook!(@ $component, inbound, __export_inbound); };
    ($component:ident, Admission) => { $crate::__export_hook!(@ $component, admission, __export_admission); };
    ($component:ident, Events) => { $crate::__export_hook!(@ $component, events, __export_events); };
    ($component:ident, Validation) => { $crate::__export_hook!(@ $component, validation, __export_validation); };
    (@ $component:ident, $module:ident, $export:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::$module::$export!($component with_types_in $crate::bindings::$module);
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            const fn has_hook<T: $crate::bindings::$module::exports::ocpp_gateway::transform::$module::Guest>() {}
            has_hook::<$component>()
        };
    };
}

/// Used by what [`export!`] expands to, not directly.
#[doc(hidden)]
pub mod rt {
    use crate::hooks::*;
    use crate::types::*;
    use std::cell::OnceCell;
    use std::marker::PhantomData;

    /// A transform with storage for its one instance.
    pub trait Exported: Transform {
        const NAME: &'static str;
        const VERSION: &'static str;
        fn slot<R>(visit: impl FnOnce(&OnceCell<Self>) -> R) -> R;
    }

    /// Carries the generated traits, whose functions have no `self`.
    pub struct Component<T>(PhantomData<T>);

    fn call<T: Exported, R>(hook: impl FnOnce(&T) -> R) -> R {
        T::slot(|slot| hook(slot.get().expect("the gateway configures an instance before it calls a hook")))
    }

    macro_rules! guest {
        ($module:ident: $hook:ident { $($functions:tt)* }) => {
            impl<T: Exported + $hook> crate::bindings::$module::exports::ocpp_gateway::transform::$module::Guest
                for Component<T>
            {
                $($functions)*
            }
        };
    }

    guest!(lifecycle: Transform {
        fn configure(config: String) -> Result<Info, String> {
            crate::log::report_panics();
            let transform = T::configure(&config)?;
            let attributes = transform.attributes();
            T::slot(|slot| slot.set(transform)).map_err(|_| "configured already".to_owned())?;
            Ok(Info { name: T::NAME.into(), version: T::VERSION.into(), attributes })
        }
    });

    guest!(mapping: Mapping {
        fn subscriptions(peer: Peer) -> Vec<TopicFilter> {
            call::<T, _>(|transform| transform.subscriptions(&peer))
        }
        fn to_mqtt(peer: Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
            call::<T, _>(|transform| transform.to_mqtt(&peer, frame))
        }
        fn from_mqtt(peer: Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
            call::<T, _>(|transform| transform.from_mqtt(&peer, message))
        }
    });

    guest!(uplink: Uplink {
        fn handle(peer: Peer, frame: Frame) -> Vec<FrameAction> {
            call::<T, _>(|transform| transform.handle(&peer, frame))
        }
    });

    guest!(downlink: Downlink {
        fn handle(peer: Peer, frame: Frame) -> Vec<FrameAction> {
            call::<T, _>(|transform| transform.handle(&peer, frame))
        }
    });

    guest!(outbound: Outbound {
        fn handle(peer: Peer, message: Publish) -> Vec<PublishAction> {
            call::<T, _>(|transform| transform.handle(&peer, message))
        }
    });

    guest!(inbound: Inbound {
        fn handle(peer: Peer, message: Publish) -> Vec<PublishAction> {
            call::<T, _>(|transform| transform.handle(&peer, message))
        }
    });

    guest!(admission: Admission {
        fn admit(offer: Offer) -> Decision {
            call::<T, _>(|transform| transform.admit(offer))
        }
    });

    guest!(events: Events {
        fn connected(peer: Peer) -> Vec<Publish> {
            call::<T, _>(|transform| transform.connected(&peer))
        }
        fn disconnected(peer: Peer, reason: String) -> Vec<Publish> {
            call::<T, _>(|transform| transform.disconnected(&peer, &reason))
        }
    });

    guest!(validation: Validation {
        fn schemas() -> Vec<Rule> {
            call::<T, _>(|transform| transform.schemas())
        }
        fn check(peer: Peer, frame: Frame) -> Option<CallError> {
            call::<T, _>(|transform| transform.check(&peer, &frame))
        }
    });
}
