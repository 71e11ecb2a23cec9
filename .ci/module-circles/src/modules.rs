//! The modules of a crate, each with its items, as they lie in files.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, Item, ItemMod, Lit, Meta};

/// Of a module in its [`ModuleTree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(usize);

pub(crate) const ROOT: Id = Id(0);

pub(crate) struct Module {
    pub(crate) parent: Option<Id>,
    /// Where it is, with `::name` behind for one that has no file of its own.
    label: String,
    /// Without those that are for tests only.
    pub(crate) items: Vec<Item>,
    pub(crate) children: Vec<(String, Id)>,
}

/// All modules of one crate; the root comes first.
pub(crate) struct ModuleTree(Vec<Module>);

/// Where the source of a module is, and where its children's files are.
struct Place {
    file: PathBuf,
    children: PathBuf,
}

/// Gives the content of a file, if there is one.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

impl ModuleTree {
    /// Reads the crate with this root (`src/lib.rs`), and fails for files that are missing or not Rust.
    pub(crate) fn read(root: &Path, read: Read) -> Result<Self> {
        let mut tree = Self(Vec::new());
        let children = root.parent().unwrap_or(Path::new("")).to_owned();
        let label = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        tree.file(None, label, &Place { file: root.to_owned(), children }, read)?;
        let base = root.parent().unwrap_or(Path::new("")).display().to_string();
        for module in &mut tree.0 {
            module.label = module.label.trim_start_matches(&base).trim_start_matches('/').to_owned();
        }
        Ok(tree)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.0.len()).map(Id)
    }

    pub(crate) fn get(&self, id: Id) -> &Module {
        &self.0[id.0]
    }

    pub(crate) fn label(&self, id: Id) -> &str {
        &self.get(id).label
    }

    fn file(&mut self, parent: Option<Id>, label: String, place: &Place, read: Read) -> Result<Id> {
        let source = read(&place.file).with_context(|| format!("no file {}", place.file.display()))?;
        let parsed = syn::parse_file(&source).with_context(|| place.file.display().to_string())?;
        self.module(parent, label, parsed.items, place, read)
    }

    fn module(&mut self, parent: Option<Id>, label: String, items: Vec<Item>, place: &Place, read: Read) -> Result<Id> {
        let id = Id(self.0.len());
        let items = items.into_iter().filter(|item| !for_tests_only(attributes(item))).collect();
        self.0.push(Module { parent, label, items, children: Vec::new() });
        let declared: Vec<ItemMod> = self.0[id.0].items.iter().filter_map(as_module).cloned().collect();
        for declaration in declared {
            let child = self.child(id, &declaration, place, read)?;
            self.0[id.0].children.push((declaration.ident.to_string(), child));
        }
        Ok(id)
    }

    fn child(&mut self, parent: Id, declaration: &ItemMod, place: &Place, read: Read) -> Result<Id> {
        let name = declaration.ident.to_string();
        let name = name.trim_start_matches("r#");
        if let Some((_, items)) = &declaration.content {
            let label = format!("{}::{name}", self.label(parent));
            let inside = Place { file: place.file.clone(), children: place.children.join(name) };
            return self.module(Some(parent), label, items.clone(), &inside, read);
        }
        let place = match path_attribute(&declaration.attrs) {
            Some(path) => {
                let file = place.file.parent().unwrap_or(Path::new("")).join(path);
                Place { children: file.parent().unwrap_or(Path::new("")).to_owned(), file }
            }
            None => {
                let children = place.children.join(name);
                let files = [place.children.join(format!("{name}.rs")), children.join("mod.rs")];
                let Some(file) = files.into_iter().find(|file| read(file).is_some()) else {
                    bail!("{}: no file for mod {name}", place.file.display());
                };
                Place { file, children }
            }
        };
        let label = place.file.display().to_string();
        self.file(Some(parent), label, &place, read)
    }
}

fn as_module(item: &Item) -> Option<&ItemMod> {
    if let Item::Mod(module) = item { Some(module) } else { None }
}

/// `#[path = "…"]`
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// Whether a `cfg` leaves the item out of everything but tests.
pub(crate) fn for_tests_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition: String = list.tokens.to_string().split_whitespace().collect();
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
