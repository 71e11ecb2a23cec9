//! Which module names what of which other.

use crate::modules::{Id, ModuleTree, attributes, for_tests_only};
use crate::scope::{Import, Scopes, Target, imports};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Attribute, Field, FieldValue, ImplItem, Item, ItemMacro, ItemUse, Macro, Meta, Path, Variant, Visibility};

/// From a module to another, with what it names there.
pub(crate) type Uses = BTreeMap<(Id, Id), BTreeSet<String>>;

pub(crate) fn between(tree: &ModuleTree) -> Uses {
    let scopes = Scopes::of(tree);
    let mut uses = Uses::new();
    for from in tree.ids() {
        for path in named(&tree.get(from).items).paths {
            for target in scopes.resolve(&path, from) {
                if let Target::Item(to, name) = target
                    && to != from
                {
                    uses.entry((from, to)).or_default().insert(name);
                }
            }
        }
    }
    uses
}

/// The imports within functions.
pub(crate) fn imports_inside(items: &[Item]) -> Vec<Import> {
    named(items).imports
}

fn named(items: &[Item]) -> Named {
    let mut named = Named::default();
    for item in items {
        if let Item::Use(item) = item {
            named.import(item);
        } else {
            named.visit_item(item);
        }
    }
    named
}

/// What the items of a module name.
#[derive(Default)]
struct Named {
    paths: BTreeSet<Vec<String>>,
    imports: Vec<Import>,
}

impl Named {
    fn import(&mut self, item: &ItemUse) -> Vec<Import> {
        let imports = if item.leading_colon.is_none() { imports(&item.tree) } else { Vec::new() };
        // What comes by a glob counts where it is named.
        self.paths.extend(imports.iter().filter(|import| import.name.is_some()).map(|import| import.path.clone()));
        imports
    }

    /// Paths among tokens that are not parsed. Behind a dot is a field or a method, behind an apostrophe a lifetime.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut apart) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => path.push(ident.to_string()),
                TokenTree::Ident(ident) => {
                    self.end(&mut path);
                    if !apart && colons < 2 {
                        path.push(ident.to_string());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Punct(punct) => {
                    self.end(&mut path);
                    apart = matches!(punct.as_char(), '.' | '\'');
                    colons = 0;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Literal(_) => self.end(&mut path),
            }
            (colons, apart) = (0, false);
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.paths.insert(std::mem::take(path));
        }
    }

    /// Paths that are written as text, as in `#[serde(with = "…")]`.
    fn texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.texts(group.stream()),
                TokenTree::Literal(literal) => {
                    let literal = literal.to_string();
                    let Ok(path) = syn::parse_str::<Path>(literal.trim_matches('"')) else { continue };
                    if path.segments.len() > 1 {
                        self.visit_path(&path);
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    /// The other paths of a `macro_rules!` mean what they mean where it is called.
    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        let mut inside = Named::default();
        inside.visit_macro(&item.mac);
        let defines = item.ident.is_some();
        self.paths.extend(inside.paths.into_iter().filter(|path| !defines || path[0] == "crate"));
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.texts(list.tokens.clone());
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let imports = self.import(item);
        self.imports.extend(imports);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        // A module has a turn of its own.
        if !matches!(item, Item::Mod(_)) && !for_tests_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !for_tests_only(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !for_tests_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        if !for_tests_only(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        if !for_tests_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    /// `pub(in crate::foo)` says who may, not what is used.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
