//! The transforms in order, listed by hook.

use crate::hook::Function;
use crate::settings::Validation;
use crate::transform::Transform;
use ocpp_gateway_core::Direction;
use std::fmt;
use std::sync::Arc;

/// The transforms that have a hook, in the order in which a message passes them.
pub(crate) type Stages = Box<[Arc<Transform>]>;

/// The transforms of one generation. A message passes one chain from beginning to end.
pub(crate) struct Chain {
    /// The number of its generation: see [`Generation::number`].
    pub(crate) number: u64,
    /// In the order of the configuration; a default mapping comes last.
    pub(crate) transforms: Vec<Arc<Transform>>,
    /// The mapping, which is one of `transforms`.
    pub(crate) mapping: Arc<Transform>,
    pub(crate) uplink: Stages,
    pub(crate) downlink: Stages,
    pub(crate) outbound: Stages,
    pub(crate) inbound: Stages,
    pub(crate) admission: Stages,
    pub(crate) events: Stages,
    /// The transforms with rules for payloads.
    pub(crate) rules: Stages,
    /// Validation against the published schemas.
    pub(crate) validation: Validation,
}

impl Chain {
    pub(crate) fn new(transforms: Vec<Arc<Transform>>, mapping: Arc<Transform>, validation: Validation) -> Self {
        let with = |function, direction: Option<Direction>| {
            transforms.iter().filter(move |transform| {
                transform.has(function)
                    && direction.is_none_or(|direction| transform.matcher.matches_direction(direction))
            })
        };
        let forward = |function, direction| with(function, direction).cloned().collect();
        // Downlink, the order is reversed, so that a transform undoes what it did to a message uplink.
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

    /// A copy for trial, whose transforms share nothing with these.
    pub(crate) fn for_trial(&self) -> Chain {
        let transforms: Vec<_> = self.transforms.iter().map(|transform| transform.for_trial()).collect();
        let place = self.transforms.iter().position(|transform| transform.name == self.mapping.name);
        let mapping = place.map_or_else(|| self.mapping.for_trial(), |place| transforms[place].clone());
        Chain::new(transforms, mapping, self.validation)
    }

    /// The transform of this name.
    pub(crate) fn transform(&self, name: &str) -> Option<&Arc<Transform>> {
        self.transforms.iter().find(|transform| *transform.name == *name)
    }

    /// Whether both treat messages alike: they have the same transforms and the same validation.
    pub(crate) fn is_same_as(&self, other: &Chain) -> bool {
        let same = |(one, other): (&Arc<Transform>, &Arc<Transform>)| Arc::ptr_eq(one, other);
        self.validation == other.validation
            && self.transforms.len() == other.transforms.len()
            && self.transforms.iter().zip(&other.transforms).all(same)
    }
}

/// The transforms that one hot swap has activated: what a message of a charge point passes. Cheap to clone. It remains
/// usable after newer hot swaps, until its last clone is dropped.
#[derive(Clone)]
pub struct Generation(pub(crate) Arc<Chain>);

impl Generation {
    /// The number of hot swaps before it, from 0.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether both have the same loaded mapping, and so the same topics.
    pub fn has_mapping_of(&self, other: &Generation) -> bool {
        self.0.mapping.is_same_load(&other.0.mapping)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Generation").field(&self.number()).finish()
    }
}
