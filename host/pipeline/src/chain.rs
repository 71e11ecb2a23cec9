//! The transforms in order, listed by hook.

use crate::hook::Function;
use crate::settings::Validation;
use crate::shadow::ShadowNote;
use crate::transform::Transform;
use crate::trial::{Membership, Selection, TrialGroup};
use ocpp_gateway_core::session::CallEnd;
use ocpp_gateway_core::{Direction, Identity, Peer};
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
    /// What trials change for the charge points of this chain.
    pub(crate) variant: Variant,
    /// The chains of charge points that take part in trials, and of those that do not. `None`: nothing is on trial.
    pub(crate) variants: Option<Variants>,
}

impl Chain {
    pub(crate) fn new(
        transforms: Vec<Arc<Transform>>,
        mapping: Arc<Transform>,
        validation: Validation,
        variant: Variant,
    ) -> Self {
        let has = |transform: &Transform, function, direction: Option<Direction>| {
            transform.has(function) && direction.is_none_or(|direction| transform.matcher.matches_direction(direction))
        };
        let (has, variant_of) = (&has, &variant);
        let with = |function, direction| {
            transforms.iter().filter(move |transform| {
                let has_shadow = || {
                    variant_of.shadow_of(transform).is_some_and(|shadow| has(shadow.candidate(), function, direction))
                };
                has(transform, function, direction) || has_shadow()
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
            // Whether a charge point may connect is asked of those alone that decide it.
            admission: transforms.iter().filter(|transform| transform.has(Function::Admit)).cloned().collect(),
            events: forward(Function::Connected, None),
            rules: forward(Function::Check, None),
            mapping,
            validation,
            variants: None,
            transforms,
            variant,
        }
    }

    /// A copy for trial, whose transforms share nothing with these.
    pub(crate) fn for_trial(&self) -> Chain {
        let transforms: Vec<_> = self.transforms.iter().map(|transform| transform.for_trial()).collect();
        let place = self.transforms.iter().position(|transform| transform.name == self.mapping.name);
        let mapping = place.map_or_else(|| self.mapping.for_trial(), |place| transforms[place].clone());
        Chain::new(transforms, mapping, self.validation, Variant::default())
    }

    /// The same transforms, for a generation of its own.
    pub(crate) fn without_trials(&self) -> Chain {
        Chain::new(self.transforms.clone(), self.mapping.clone(), self.validation, Variant::default())
    }

    /// The shadow that repeats the calls of this transform.
    pub(crate) fn shadow_of(&self, transform: &Transform) -> Option<&Arc<ShadowNote>> {
        self.variant.shadow_of(transform)
    }

    /// Whether a transform, or its shadow, is called for messages of this charge point with this action.
    pub(crate) fn is_concerned(&self, transform: &Transform, peer: &Peer, action: Option<&str>) -> bool {
        let matches = |transform: &Transform| transform.matcher.matches(peer, action);
        matches(transform) || self.shadow_of(transform).is_some_and(|shadow| matches(shadow.candidate()))
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

/// What differs from the chain that runs without trials.
#[derive(Default)]
pub(crate) struct Variant {
    /// By the name of the transform whose calls they repeat.
    pub(crate) shadows: Vec<(Arc<str>, Arc<ShadowNote>)>,
    /// Those that its charge points belong to.
    pub(crate) groups: Vec<Arc<TrialGroup>>,
}

impl Variant {
    /// The shadow that repeats the calls of this transform.
    pub(crate) fn shadow_of(&self, transform: &Transform) -> Option<&Arc<ShadowNote>> {
        self.shadows.iter().find(|(name, _)| *name == transform.name).map(|(_, shadow)| shadow)
    }
}

/// All combinations of trials that a charge point may take part in.
pub(crate) struct Variants {
    /// Of each trial, in the order of the bits of an index of `chains`.
    pub(crate) selections: Vec<Selection>,
    pub(crate) chains: Vec<Arc<Chain>>,
}

impl Variants {
    /// The chain for this charge point.
    pub(crate) fn of(&self, identity: &Identity) -> &Arc<Chain> {
        let bit = |(index, selection): (usize, &Selection)| usize::from(selection.selects(identity)) << index;
        &self.chains[self.selections.iter().enumerate().map(bit).sum::<usize>()]
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

    /// A CALL that began in this generation has ended.
    pub fn count_call(&self, end: &CallEnd) {
        self.0.variant.groups.iter().for_each(|group| group.count_call(end));
    }

    /// Messages that passed this generation were dropped, were refused or failed.
    pub fn count_incidents(&self, count: usize) {
        self.0.variant.groups.iter().for_each(|group| group.count_incidents(count));
    }

    /// Counts the charge point among those that use this generation, as long as the membership exists.
    pub fn join(&self) -> Membership {
        Membership::of(&self.0.variant.groups)
    }

    /// The generation of the same hot swap that is for this charge point.
    pub(crate) fn for_charge_point(chain: &Arc<Chain>, identity: &Identity) -> Generation {
        Generation(chain.variants.as_ref().map_or(chain, |variants| variants.of(identity)).clone())
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
