//! The standard mapping without WebAssembly: the very code of `transforms/standard`, as a library. It is there for the
//! benchmark that asks what running it as a component costs, and part of no other build: feature `native-standard`. All
//! that depends on the feature is in this module; without it there is no [`Native`], and asking for one costs nothing.

#[cfg(feature = "native-standard")]
mod mapping;

#[cfg(feature = "native-standard")]
pub(crate) use mapping::Native;

#[cfg(not(feature = "native-standard"))]
pub(crate) use nothing::Native;

#[cfg(not(feature = "native-standard"))]
mod nothing {
    use crate::abi::PublishIn;
    use crate::error::Failure;
    use crate::spec::TransformSpec;
    use ocpp_gateway_core::{Frame, Peer, Publish};

    #[derive(Clone)]
    pub(crate) enum Native {}

    impl Native {
        pub(crate) fn of(_spec: &TransformSpec) -> Option<Self> {
            None
        }

        pub(crate) fn to_mqtt(&self, _peer: &Peer, _frame: &Frame<'_>) -> Result<Vec<Publish>, Failure> {
            match *self {}
        }

        #[allow(clippy::wrong_self_convention)] // The name is that of the hook.
        pub(crate) fn from_mqtt(&self, _: &Peer, _message: PublishIn<'_>) -> Result<Vec<Frame<'static>>, Failure> {
            match *self {}
        }
    }
}
