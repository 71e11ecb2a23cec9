//! The transforms that run, and those that ran before.

use crate::chain::{Chain, Generation};
use crate::error::LoadError;
use crate::load::{self, Closing, Loader};
use crate::load_options::LoadOptions;
use crate::settings::Validation;
use crate::spec::TransformSpec;
use crate::stats::TransformStatus;
use crate::swap_report::{SwapReport, TransformFault};
use crate::transform::Transform;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The transforms that messages run through, generation after generation. Cheap to clone; each thread that calls it keeps
/// instances of its own. A call blocks its thread for as long as the transforms work, each at most its time limit.
#[derive(Clone)]
pub struct Pipeline(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// The newest one.
    pub(super) chain: ArcSwap<Chain>,
    /// Its number, at hand for each message.
    pub(super) number: AtomicU64,
    /// Those that were newest before, as far as they are still in use; the latest comes last.
    pub(super) older: Mutex<Vec<Weak<Chain>>>,
    pub(super) loader: Loader,
    /// Held while something is loaded for a hot swap, which may take a minute: one after the other. Whoever takes both locks
    /// takes this one first; a rollback, which loads nothing, takes the other one only.
    pub(super) loading: Mutex<()>,
    /// Held while something is put in place.
    pub(super) loader_state: Mutex<LoaderState>,
    /// What each transform was before its last swap: its code, without instances.
    pub(super) previous: Mutex<HashMap<Arc<str>, Arc<Transform>>>,
    /// Why the latest swap of a transform failed, or was taken back, if it was.
    pub(super) faults: Mutex<HashMap<String, TransformFault>>,
    pub(super) on_swap: Mutex<Option<SwapObserver>>,
}

/// Told of every attempt to put other transforms in place.
type SwapObserver = Box<dyn Fn(&SwapReport) + Send>;

pub(super) struct LoaderState {
    pub(super) specs: Vec<TransformSpec>,
    pub(super) validation: Validation,
    /// Transforms that an operator has rolled back since the latest load began.
    pub(super) rolled_back: Vec<String>,
}

impl LoaderState {
    pub(super) fn spec(&self, name: &str) -> Option<&TransformSpec> {
        self.specs.iter().find(|spec| spec.name == name)
    }
}

impl Pipeline {
    /// Reads, compiles, links, configures and tries every transform; with none, `builtin:standard` with its defaults.
    /// Takes some 30 ms for a small component: not for a thread that serves sockets. The errors are all there are.
    pub fn load(specs: Vec<TransformSpec>) -> Result<Self, Vec<LoadError>> {
        Self::load_in(specs, LoadOptions::default())
    }

    /// The same, in other options than none.
    pub fn load_in(specs: Vec<TransformSpec>, options: LoadOptions) -> Result<Self, Vec<LoadError>> {
        let validation = options.validation;
        let loader = Loader::new(&specs, options)?;
        let transforms = loader.load_all(&specs, &[])?;
        let chain = load::chain(&loader, transforms, Closing::AsConfigured(&[]), validation)?;
        Ok(Pipeline(Arc::new(Inner {
            chain: ArcSwap::from_pointee(chain),
            number: AtomicU64::default(),
            older: Mutex::default(),
            loader,
            loading: Mutex::default(),
            loader_state: Mutex::new(LoaderState { specs, validation, rolled_back: Vec::new() }),
            previous: Mutex::default(),
            faults: Mutex::default(),
            on_swap: Mutex::new(None),
        })))
    }

    /// The generation that the latest hot swap has put in place.
    pub fn newest(&self) -> Generation {
        Generation(self.0.chain.load_full())
    }

    /// The number of [`Pipeline::newest`]: whoever holds on to a generation sees by it whether there is a newer one.
    pub fn newest_number(&self) -> u64 {
        self.0.number.load(Ordering::Acquire)
    }

    /// All that somebody still uses, the newest first.
    pub fn generations(&self) -> Vec<Generation> {
        // Under the lock, so that a swap is seen as a whole.
        let older = self.0.older.lock();
        let chains = [self.0.chain.load_full()].into_iter().chain(older.iter().rev().filter_map(Weak::upgrade));
        chains.map(Generation).collect()
    }

    /// Every transform with its counts.
    pub fn transforms(&self) -> Vec<TransformStatus> {
        let chain = self.0.chain.load();
        let (previous, faults) = (self.0.previous.lock(), self.0.faults.lock());
        let status = |transform: &Arc<Transform>| TransformStatus {
            previous: previous.get(&transform.name).map(|old| old.as_version()),
            last_fault: faults.get(&*transform.name).cloned(),
            ..transform.status()
        };
        chain.transforms.iter().map(status).collect()
    }
}
