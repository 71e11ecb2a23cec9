//! The running generation of transforms, and older generations that are still in use.

use super::rollbacks::Rollbacks;
use super::trial::{TrialList, TrialObserver};
use crate::chain::{Chain, Generation};
use crate::error::LoadError;
use crate::load::{self, DefaultMapping, Loader};
use crate::load_options::LoadOptions;
use crate::settings::Validation;
use crate::spec::TransformSpec;
use crate::stats::TransformStatus;
use crate::swap_report::{SwapReport, TransformFault};
use crate::transform::Transform;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The transforms that messages pass, in generations. Cheap to clone; each thread that calls it has its own instances.
/// A call blocks its thread while the transforms run, each for at most its time limit.
#[derive(Clone)]
pub struct Pipeline(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// The newest chain.
    pub(super) chain: ArcSwap<Chain>,
    /// The number of the newest chain, which each message reads.
    pub(super) number: AtomicU64,
    /// Earlier chains that are still in use, the latest last.
    pub(super) older: Mutex<Vec<Weak<Chain>>>,
    pub(super) loader: Loader,
    /// Held while a hot swap loads components, which may take a minute: loads run one after the other. Lock order: this
    /// lock before `loader_state`. A rollback, which loads nothing, takes only `loader_state`.
    pub(super) loading: Mutex<()>,
    /// Held while a generation is activated.
    pub(super) loader_state: Mutex<LoaderState>,
    /// Each transform as it was before its last swap, without instances.
    pub(super) previous: Mutex<HashMap<Arc<str>, Arc<Transform>>>,
    /// Why the latest swap of a transform failed or was rolled back, by its name.
    pub(super) faults: Mutex<HashMap<String, TransformFault>>,
    pub(super) on_swap: Mutex<Option<SwapObserver>>,
    pub(super) on_trial: Mutex<Option<TrialObserver>>,
    /// Held only briefly: when a chain takes the place of another, and when figures are read.
    pub(super) trials: Mutex<TrialList>,
}

/// Called with the report of every swap attempt.
type SwapObserver = Box<dyn Fn(&SwapReport) + Send>;

pub(super) struct LoaderState {
    /// Those of the configuration.
    pub(super) specs: Vec<TransformSpec>,
    /// Those of the drop-ins that run.
    pub(super) drop_ins: Vec<TransformSpec>,
    pub(super) validation: Validation,
    pub(super) rollbacks: Rollbacks,
}

impl LoaderState {
    pub(super) fn spec(&self, name: &str) -> Option<&TransformSpec> {
        self.specs.iter().find(|spec| spec.name == name).or_else(|| self.drop_in(name))
    }

    /// The names of all transforms but a default mapping.
    pub(super) fn names(&self) -> HashSet<String> {
        self.specs.iter().chain(&self.drop_ins).map(|spec| spec.name.clone()).collect()
    }

    /// The mapping that was added because no transform maps.
    pub(super) fn default_mapping<'c>(&self, running: &'c Chain) -> Option<&'c Arc<Transform>> {
        running.transforms.iter().find(|transform| self.spec(&transform.name).is_none())
    }

    pub(super) fn drop_in(&self, name: &str) -> Option<&TransformSpec> {
        self.drop_ins.iter().find(|spec| spec.name == name)
    }
}

impl Pipeline {
    /// Reads, compiles, links, configures and tries every transform; with none, `builtin:standard` with its defaults.
    /// Takes some 30 ms for a small component: do not call it on a thread that serves sockets. The error contains all
    /// faults.
    pub fn load(specs: Vec<TransformSpec>) -> Result<Self, Vec<LoadError>> {
        Self::load_in(specs, LoadOptions::default())
    }

    /// [`Pipeline::load`] with other options than the defaults.
    pub fn load_in(specs: Vec<TransformSpec>, options: LoadOptions) -> Result<Self, Vec<LoadError>> {
        let validation = options.validation;
        let loader = Loader::new(&specs, options)?;
        let transforms = loader.load_all(&specs, &[])?;
        let chain = load::chain(&loader, transforms, DefaultMapping::Standard(&[]), validation)?;
        Ok(Pipeline(Arc::new(Inner {
            chain: ArcSwap::from_pointee(chain),
            number: AtomicU64::default(),
            older: Mutex::default(),
            loader,
            loading: Mutex::default(),
            loader_state: Mutex::new(LoaderState {
                specs,
                drop_ins: Vec::new(),
                validation,
                rollbacks: Rollbacks::default(),
            }),
            previous: Mutex::default(),
            faults: Mutex::default(),
            on_swap: Mutex::new(None),
            on_trial: Mutex::new(None),
            trials: Mutex::default(),
        })))
    }

    /// The generation that the latest hot swap has activated, for charge points that take part in no trial.
    pub fn newest(&self) -> Generation {
        Generation(self.0.chain.load_full())
    }

    /// The number of [`Pipeline::newest`], to compare with that of a generation in use.
    pub fn newest_number(&self) -> u64 {
        self.0.number.load(Ordering::Acquire)
    }

    /// All generations that are still in use, the newest first, and before all others the newest one without trials.
    pub fn generations(&self) -> Vec<Generation> {
        // Under the lock, so that no swap happens in between.
        let older = self.0.older.lock();
        let newest = self.0.chain.load_full();
        let variants = newest.variants.iter().flat_map(|variants| variants.chains.iter().skip(1)).cloned();
        let older = older.iter().rev().filter_map(Weak::upgrade);
        [newest.clone()].into_iter().chain(variants).chain(older).map(Generation).collect()
    }

    /// Why the latest swap of a transform failed or was rolled back, if so.
    pub fn last_fault(&self, name: &str) -> Option<TransformFault> {
        self.0.faults.lock().get(name).cloned()
    }

    /// The status of every transform.
    pub fn transforms(&self) -> Vec<TransformStatus> {
        // Under the lock, so that a canary that ends is counted once.
        let _trials = self.0.trials.lock();
        let chain = self.0.chain.load();
        let (previous, faults) = (self.0.previous.lock(), self.0.faults.lock());
        // The chain of charge points that take part in all trials.
        let on_trial = chain.variants.as_ref().and_then(|variants| variants.chains.last());
        let canary = |name: &str| on_trial?.transform(name).filter(|transform| transform.group.is_some());
        let status = |transform: &Arc<Transform>| TransformStatus {
            previous: previous.get(&transform.name).map(|old| old.as_version()),
            last_fault: faults.get(&*transform.name).cloned(),
            ..transform.status().with_counts_of(canary(&transform.name).map(|canary| canary.status()))
        };
        chain.transforms.iter().map(status).collect()
    }
}
