//! What is in the drop-in directory, compared with what was there before.

use super::file::{Content, DropInFiles, Kind, ReadFiles, transform_name};
use super::status::{DropInFault, DropInStatus};
use super::written::BeingWritten;
use crate::config::TransformConfig;
use crate::transforms::effective;
use crate::transforms::specs::SpecBuilder;
use crate::transforms::store::Index;
use crate::transforms::trust::TrustedKeys;
use ocpp_gateway_pipeline::{DropIn, LoadError, LoadFault, OnError, TransformSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// The drop-ins of a directory, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) entries: Vec<DropInEntry>,
}

/// The files of one drop-in: those whose names differ in the extension only.
#[derive(Debug, Clone)]
pub(super) struct DropInEntry {
    /// The name of the files without extension: `10-quirk`.
    stem: String,
    kinds: BTreeSet<Kind>,
    content: Content,
    /// The transform that it configures, or why it configures none.
    transform: Result<Box<TransformConfig>, String>,
    pub(super) on_error: OnError,
    state: EntryState,
    /// Whether it is a second mapping, which may go live as it is once another file has changed.
    is_second_mapping: bool,
    /// Why it is not used, or not in its latest form.
    fault: Option<DropInFault>,
}

/// An entry compared with that of the scan before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryState {
    /// It has to be loaded.
    New,
    Unchanged,
    /// One of its files is being written, so that it stays as it was.
    Pending,
    /// Another transform has its name.
    Duplicate,
    /// Only the settings of a program or component are left, which is gone.
    Removed,
}

impl Scan {
    /// `taken`: names that drop-ins cannot have. `previous`: the entries of the scan before. `being_written`: files
    /// that are not complete yet. `trusted`: the keys whose signatures are accepted.
    pub(super) fn of(
        directory: &Path,
        taken: &HashSet<String>,
        previous: &[DropInEntry],
        being_written: &BeingWritten,
        trusted: &TrustedKeys,
    ) -> io::Result<Self> {
        let directory = match fs::canonicalize(directory) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Scan::default()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for (stem, kinds) in groups(&directory)? {
            let files = DropInFiles { directory: &directory, stem: &stem, kinds: &kinds, trusted };
            let previous = previous.iter().find(|entry| entry.stem == stem);
            // As it was before, until it is complete.
            let as_before = previous.map(DropInEntry::pending);
            if files.are_among(being_written) {
                entries.extend(as_before);
                continue;
            }
            let ReadFiles { content, named, transform, on_error } = files.read(previous.map(|before| &before.content));
            if named.iter().any(|path| being_written.contains(path)) {
                entries.extend(as_before);
                continue;
            }
            let fault = previous.and_then(|before| before.fault.clone());
            let (state, is_second_mapping) = (EntryState::New, false);
            let mut entry = DropInEntry { stem, kinds, content, transform, on_error, state, is_second_mapping, fault };
            if let Some(before) = previous {
                entry.compare_with(before);
            }
            entries.push(entry);
        }
        refuse_duplicates(&mut entries, taken);
        Ok(Scan { entries })
    }

    /// What the pipeline has to do. `is_reload`: load those that have not changed as well.
    pub(super) fn drop_ins(&self, builder: &SpecBuilder<'_>, is_reload: bool) -> Vec<DropIn> {
        let index = builder.store.index();
        self.entries.iter().filter_map(|entry| entry.drop_in(builder, &index, is_reload)).collect()
    }

    /// The names of those whose files have changed since the scan before.
    pub(super) fn changed(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|entry| entry.state == EntryState::New).filter_map(DropInEntry::name)
    }

    /// Whether nothing has changed since the scan with these entries.
    pub(super) fn is_as(&self, previous: &[DropInEntry]) -> bool {
        let is_same = |(now, before): (&DropInEntry, &DropInEntry)| {
            let problem = |entry: &DropInEntry| entry.transform.as_ref().err().cloned();
            now.stem == before.stem && now.content.is_same(&before.content) && problem(now) == problem(before)
        };
        self.entries.len() == previous.len() && self.entries.iter().zip(previous).all(is_same)
    }
}

/// The files whose names have one of the extensions, by stem. Hidden files and all others, such as those of editors, are
/// ignored.
fn groups(directory: &Path) -> io::Result<BTreeMap<String, BTreeSet<Kind>>> {
    let mut groups: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
    for file in fs::read_dir(directory)? {
        let name = file?.file_name();
        let name = name.to_string_lossy();
        if let Some((stem, extension)) = name.rsplit_once('.')
            && !name.starts_with('.')
            && let Some(kind) = Kind::of_extension(extension)
        {
            groups.entry(stem.to_owned()).or_default().insert(kind);
        }
    }
    Ok(groups)
}

/// A name belongs to the first that has it. All other transforms are before the drop-ins.
fn refuse_duplicates(entries: &mut [DropInEntry], taken: &HashSet<String>) {
    let mut owners: HashMap<String, String> = HashMap::new();
    for entry in entries.iter_mut().filter(|entry| entry.state != EntryState::Removed) {
        let Some(name) = entry.name().map(str::to_owned) else { continue };
        let owner = match owners.get(&name) {
            Some(stem) => format!("{stem} has"),
            None if taken.contains(&name) => "the configuration has, or the API has added,".to_owned(),
            None => {
                owners.insert(name, entry.stem.clone());
                continue;
            }
        };
        entry.state = EntryState::Duplicate;
        entry.transform = Err(format!("{}: {owner} a transform {name:?} already", entry.main_file()));
    }
}

impl DropInEntry {
    /// The same while one of its files is written.
    fn pending(&self) -> Self {
        let state = if self.state == EntryState::Removed { EntryState::Removed } else { EntryState::Pending };
        DropInEntry { state, ..self.clone() }
    }

    /// `before`: what was there at the scan before.
    fn compare_with(&mut self, before: &DropInEntry) {
        let had_code = before.state == EntryState::Removed || !before.is_settings_alone();
        if had_code && self.is_settings_alone() && self.transform.is_err() {
            self.state = EntryState::Removed;
        } else if !before.is_second_mapping && before.transform.is_ok() && before.content.is_same(&self.content) {
            self.state = EntryState::Unchanged;
        }
    }

    /// Whether there is no program and no component beside the settings.
    fn is_settings_alone(&self) -> bool {
        self.kinds.iter().all(|kind| *kind == Kind::Toml)
    }

    /// The name of the transform.
    pub(super) fn name(&self) -> Option<&str> {
        transform_name(&self.stem)
    }

    /// Whether it is the one of this name, and no other transform is.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.name() == Some(name) && !matches!(self.state, EntryState::Duplicate | EntryState::Removed)
    }

    /// The transform that its files configure.
    pub(super) fn transform(&self) -> Result<&TransformConfig, &String> {
        self.transform.as_deref()
    }

    /// What is to be loaded: its files, with what was uploaded for it.
    pub(super) fn spec(&self, builder: &SpecBuilder<'_>, index: &Index) -> Result<TransformSpec, String> {
        let transform = self.transform().map_err(Clone::clone)?;
        let effective = effective::effective(&transform.name, Some(transform), index, builder.store);
        builder.spec(&effective.ok_or_else(|| "it has no name".to_owned())??)
    }

    /// `None`: it has no name of its own.
    fn drop_in(&self, builder: &SpecBuilder<'_>, index: &Index, is_reload: bool) -> Option<DropIn> {
        let name = self.name()?.to_owned();
        if matches!(self.state, EntryState::Duplicate | EntryState::Removed) {
            return None;
        }
        if !self.is_loaded(is_reload) {
            return Some(DropIn::Keep(name));
        }
        Some(match self.spec(builder, index) {
            Ok(spec) => DropIn::Load(Box::new(spec)),
            Err(reason) => DropIn::Refuse { name, component: self.main_file(), reason },
        })
    }

    fn is_loaded(&self, is_reload: bool) -> bool {
        self.state == EntryState::New || is_reload && self.state == EntryState::Unchanged
    }

    /// Stores why it is not used, if so. `errors`: those of its load, if it was loaded. `is_reload`: all were loaded.
    /// Returns a fault that is new.
    pub(super) fn settle(&mut self, errors: &[LoadError], is_reload: bool) -> Option<&DropInFault> {
        let has_name = self.state != EntryState::Duplicate;
        let own = errors.iter().filter(|error| has_name && self.name() == Some(&*error.transform));
        let own: Vec<&LoadError> = own.collect();
        self.is_second_mapping |= own.iter().any(|error| matches!(error.fault, LoadFault::SecondMapping { .. }));
        let own: Vec<String> = own.iter().map(|error| format!("{}: {error}", self.file_of(&error.fault))).collect();
        let text = match &self.transform {
            Err(problem) => Some(problem.clone()),
            Ok(_) if !own.is_empty() => Some(own.join("\n")),
            // It was loaded without a fault.
            Ok(_) if self.is_loaded(is_reload) => None,
            Ok(_) => return None,
        };
        let is_known = self.fault.as_ref().map(|fault| &fault.text) == text.as_ref();
        if !is_known {
            self.fault = text.map(|text| DropInFault { text, since: SystemTime::now() });
        }
        self.fault.as_ref().filter(|_| !is_known)
    }

    pub(super) fn clear_fault(&mut self) {
        self.fault = None;
    }

    pub(super) fn status(&self) -> DropInStatus {
        DropInStatus {
            files: self.kinds.iter().map(|kind| kind.file_name(&self.stem)).collect(),
            transform: self.name().map(str::to_owned),
            fault: self.fault.clone(),
        }
    }

    /// The file in which a fault has to be mended.
    fn file_of(&self, fault: &LoadFault) -> String {
        let is_setting = matches!(fault, LoadFault::Config(reason) if !reason.starts_with("program: "));
        let settings = self.kinds.get(&Kind::Toml).filter(|_| is_setting);
        settings.map_or_else(|| self.main_file(), |kind| kind.file_name(&self.stem))
    }

    /// The file with the code, or else the only one.
    fn main_file(&self) -> String {
        self.kinds.first().map(|kind| kind.file_name(&self.stem)).unwrap_or_default()
    }
}
