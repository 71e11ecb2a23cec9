//! What a name means in a module.

use crate::modules::{Id, ModuleTree, ROOT};
use crate::uses::imports_inside;
use std::collections::{HashMap, HashSet};
use syn::{Item, UseTree};

/// What a path leads to, if it is of this crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Module(Id),
    /// Defined in this module.
    Item(Id, String),
}

#[derive(Debug, Clone)]
enum Entry {
    Module(Id),
    Item,
    Import(Vec<String>),
}

/// What a module defines and imports.
#[derive(Debug, Default)]
struct Scope {
    names: HashMap<String, Vec<Entry>>,
    globs: Vec<Vec<String>>,
}

/// The names of all modules of a crate.
pub(crate) struct Scopes<'a> {
    tree: &'a ModuleTree,
    scopes: HashMap<Id, Scope>,
}

/// One leaf of a `use`: the path, and the name it has here; no name for a glob.
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) name: Option<String>,
}

/// Names that are being looked up, so that imports of each other end.
type Pending = HashSet<(Id, String)>;

impl<'a> Scopes<'a> {
    pub(crate) fn of(tree: &'a ModuleTree) -> Self {
        let scopes = tree.ids().map(|id| (id, scope(tree, id))).collect();
        Self { tree, scopes }
    }

    /// What of this crate a path means that stands in module `from`; nothing if it is of another crate or a local name.
    pub(crate) fn resolve(&self, path: &[String], from: Id) -> Vec<Target> {
        let targets = self.follow(path, from, &mut Pending::new());
        let items: Vec<Target> = targets.iter().filter(|target| matches!(target, Target::Item(..))).cloned().collect();
        if items.is_empty() { targets } else { items }
    }

    fn follow(&self, path: &[String], from: Id, pending: &mut Pending) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(ROOT)],
            "self" => vec![Target::Module(from)],
            "super" => self.parent(from),
            name => self.look_up(from, name, pending).unwrap_or_default(),
        };
        for segment in rest {
            let step = |target| match (target, segment.as_str()) {
                (Target::Module(id), "self") => vec![Target::Module(id)],
                (Target::Module(id), "super") => self.parent(id),
                // A macro may have made what is not there to see.
                (Target::Module(id), name) => {
                    self.look_up(id, name, pending).unwrap_or_else(|| vec![Target::Item(id, name.to_owned())])
                }
                (item, _) => vec![item],
            };
            targets = targets.into_iter().flat_map(step).collect();
        }
        targets
    }

    fn parent(&self, id: Id) -> Vec<Target> {
        self.tree.get(id).parent.map(Target::Module).into_iter().collect()
    }

    /// None if the module knows no such name; nothing if it is that of something in another crate.
    fn look_up(&self, id: Id, name: &str, pending: &mut Pending) -> Option<Vec<Target>> {
        if !pending.insert((id, name.to_owned())) {
            return Some(Vec::new());
        }
        let scope = &self.scopes[&id];
        let found = match scope.names.get(name) {
            Some(entries) => Some(entries.iter().flat_map(|entry| self.enter(id, name, entry, pending)).collect()),
            None => scope.globs.iter().find_map(|glob| self.through_glob(id, name, glob, pending)),
        };
        pending.remove(&(id, name.to_owned()));
        found
    }

    fn enter(&self, id: Id, name: &str, entry: &Entry, pending: &mut Pending) -> Vec<Target> {
        match entry {
            Entry::Module(child) => vec![Target::Module(*child)],
            Entry::Item => vec![Target::Item(id, name.to_owned())],
            Entry::Import(path) => self.follow(path, id, pending),
        }
    }

    fn through_glob(&self, id: Id, name: &str, glob: &[String], pending: &mut Pending) -> Option<Vec<Target>> {
        self.follow(glob, id, pending).into_iter().find_map(|target| match target {
            Target::Module(from) => self.look_up(from, name, pending).filter(|found| !found.is_empty()),
            Target::Item(..) => None,
        })
    }
}

fn scope(tree: &ModuleTree, id: Id) -> Scope {
    let module = tree.get(id);
    let mut scope = Scope::default();
    for (name, child) in &module.children {
        scope.names.entry(name.clone()).or_default().push(Entry::Module(*child));
    }
    for item in &module.items {
        if let Some(name) = name(item) {
            scope.names.entry(name).or_default().push(Entry::Item);
        }
        if let Item::Use(item) = item {
            let external = item.leading_colon.is_some();
            imports(&item.tree).into_iter().filter(|_| !external).for_each(|import| scope.import(import));
        }
    }
    // Those of a block hold in the block only; where the module has the name too, that comes first.
    for import in imports_inside(&module.items) {
        let known = import.name.as_ref().is_some_and(|name| scope.names.contains_key(name));
        if !known {
            scope.import(import);
        }
    }
    scope
}

impl Scope {
    fn import(&mut self, Import { path, name }: Import) {
        match name {
            // `use foo;` of something with its own name means the crate, or itself.
            Some(name) if path.len() == 1 && path[0] == name => {}
            Some(name) => self.names.entry(name).or_default().push(Entry::Import(path)),
            None => self.globs.push(path),
        }
    }
}

/// The leaves of a `use`.
pub(crate) fn imports(tree: &UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    flatten(tree, &mut Vec::new(), &mut found);
    found
}

fn flatten(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut leaf = |path: &[String], last: Option<String>, name: Option<String>| {
        let path: Vec<String> = path.iter().cloned().chain(last).collect();
        found.push(Import { path, name });
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            flatten(&tree.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path, found)),
        UseTree::Name(tree) if tree.ident == "self" => leaf(path, None, path.last().cloned()),
        UseTree::Name(tree) => leaf(path, Some(tree.ident.to_string()), Some(tree.ident.to_string())),
        UseTree::Rename(tree) if tree.ident == "self" => leaf(path, None, Some(tree.rename.to_string())),
        UseTree::Rename(tree) => leaf(path, Some(tree.ident.to_string()), Some(tree.rename.to_string())),
        UseTree::Glob(_) => leaf(path, None, None),
    }
}

/// Of what the item defines.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
