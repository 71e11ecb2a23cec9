//! The transforms in their order, each where it has hooks.

use crate::hook::Function;
use crate::settings::Validation;
use crate::transform::Transform;
use ocpp_gateway_core::Direction;
use std::fmt;
use std::sync::Arc;

/// The transforms that have one hook, in the order in which a message comes to them.
pub(crate) type Stages = Box<[Arc<Transform>]>;

/// All transforms as they were put in place together. A message runs through one chain from beginning to end.
pub(crate) struct Chain {
    /// Of its generation: see [`Generation::number`].
    pub(crate) number: u64,
    /// In the order of the configuration; a mapping that nobody configured comes last.
    pub(crate) transforms: Vec<Arc<Transform>>,
    /// One of them.
    pub(crate) mapping: Arc<Transform>,
    pub(crate) uplink: Stages,
    pub(crate) downlink: Stages,
    pub(crate) outbound: Stages,
    pub(crate) inbound: Stages,
    pub(crate) admission: Stages,
    pub(crate) events: Stages,
    /// Those with rules for payloads.
    pub(crate) rules: Stages,
    /// Whether there are others besides theirs.
    pub(crate) validation: Validation,
}

impl Chain {
    pub(crate) fn new(transforms: Vec<Arc<Transform>>, mapping: Arc<Transform>, validation: Validation) -> Self {
        let with = |function, direction: Option<Direction>| {
            transforms.iter().filter(move |transform| {
                transform.has(function) && direction.is_none_or(|way| transform.matcher.takes_direction(way))
            })
        };
        let forward = |function, direction| with(function, direction).cloned().collect();
        // What a transform did to a message on its way up, it undoes on the way down: the last comes first.
        let backward = |function, direction| with(function, direction).rev().cloned().collect();
        Chain {
            number: 0,
            uplink: forward(Function::Uplink, Some(Direction::Uplink)),
            downlink: backward(Function::Downlink, Some(Direction::Downlink)),
            outbound: forward(Function::Outbound, Some(Direction::Uplink)),
            inbound: backward(Function::Inbound, Some(Direction::Downlink)),
            admission: forward(Function::Admit, None),
            events: forward(Function::Connected, None),
            rules: forward(Function::Check, None),
            mapping,
            validation,
            transforms,
        }
    }

    /// Whether messages would not notice if one took the place of the other.
    pub(crate) fn is_same_as(&self, other: &Chain) -> bool {
        let same = |(one, other): (&Arc<Transform>, &Arc<Transform>)| Arc::ptr_eq(one, other);
        self.validation == other.validation
            && self.transforms.len() == other.transforms.len()
            && self.transforms.iter().zip(&other.transforms).all(same)
    }
}

/// The transforms as a hot swap has put them in place: what a message of a charge point runs through. Cheap to clone. A
/// newer one does not end it: it lasts as long as somebody holds on to it.
#[derive(Clone)]
pub struct Generation(pub(crate) Arc<Chain>);

impl Generation {
    /// Counts the hot swaps, from 0.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether both have the same mapping as it was once loaded, which then wants the same topics.
    pub fn has_mapping_of(&self, other: &Generation) -> bool {
        self.0.mapping.is_same_load(&other.0.mapping)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Generation").field(&self.number()).finish()
    }
}
