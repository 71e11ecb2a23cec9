//! Members of payloads, selected by name at any depth.

use ocpp_transform_json_tree::Tree;
use std::borrow::Cow;

/// The mask of a string, within the length of every string of OCPP.
const MASK: &str = r#""*""#;

/// A selection of members.
pub(crate) struct Fields(Vec<Field>);

struct Field {
    /// `None`: of any action.
    action: Option<String>,
    name: String,
}

impl Fields {
    /// Reads `name` and `Action.name`. The error is to follow the name of the setting: `[1]: …`.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        let field = |(index, text): (usize, &String)| {
            let (action, name) = match text.split_once('.') {
                Some((action, name)) => (Some(action.to_owned()), name),
                None => (None, text.as_str()),
            };
            if name.is_empty() || action.as_deref() == Some("") {
                return Err(format!("[{index}]: {text:?} is neither a name nor Action.name"));
            }
            Ok(Field { action, name: name.to_owned() })
        };
        texts.iter().enumerate().map(field).collect::<Result<_, _>>().map(Fields)
    }

    /// The names alone.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|field| field.name.as_str())
    }

    fn contain(&self, action: &str, name: &str) -> bool {
        self.0.iter().any(|field| field.name == name && field.action.as_deref().is_none_or(|only| only == action))
    }

    /// Removes the members; returns whether there were any.
    pub(crate) fn remove_from(&self, tree: &mut Tree<'_>, action: &str) -> bool {
        let mut removed = false;
        match tree {
            Tree::Object(object) => {
                removed = object.retain(|name| !self.contain(action, name)) > 0;
                object.iter_mut().for_each(|(_, value)| removed |= self.remove_from(value, action));
            }
            Tree::List(items) => items.iter_mut().for_each(|item| removed |= self.remove_from(item, action)),
            Tree::Scalar(_) => {}
        }
        removed
    }

    /// Masks the values of the members, with everything inside them; returns whether there were any. Strings stay
    /// strings and numbers stay numbers, so that the payload keeps its form.
    pub(crate) fn mask_in(&self, tree: &mut Tree<'_>, action: &str) -> bool {
        let mut masked = false;
        visit_selected(tree, false, &|name, selected| selected || self.contain(action, name), &mut |value| {
            let mask = match value {
                _ if value.as_number().is_some() => "0",
                _ if value.as_str().is_some() => MASK,
                _ => return,
            };
            *value = Tree::Scalar(Cow::Borrowed(mask));
            masked = true;
        });
        masked
    }
}

/// Visits the values of selected members: of a list its items; of an object only its own selected members.
pub(crate) fn each_scalar<'a>(
    tree: &mut Tree<'a>,
    is_selected: &impl Fn(&str) -> bool,
    visit: &mut impl FnMut(&mut Tree<'a>),
) {
    visit_selected(tree, false, &|name, _| is_selected(name), visit);
}

/// `selected`: whether this value is selected. `selects`: whether a member is, by its name and by whether its object is
/// selected.
fn visit_selected<'a>(
    tree: &mut Tree<'a>,
    selected: bool,
    selects: &impl Fn(&str, bool) -> bool,
    visit: &mut impl FnMut(&mut Tree<'a>),
) {
    match tree {
        Tree::Object(object) => {
            object.iter_mut().for_each(|(name, value)| visit_selected(value, selects(name, selected), selects, visit));
        }
        Tree::List(items) => items.iter_mut().for_each(|item| visit_selected(item, selected, selects, visit)),
        Tree::Scalar(_) if selected => visit(tree),
        Tree::Scalar(_) => {}
    }
}
