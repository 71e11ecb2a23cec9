//! Members of payloads that go by their names, wherever they stand.

use ocpp_transform_json_tree::Tree;
use std::borrow::Cow;

/// Within the length of every string of OCPP.
const MASK: &str = r#""*""#;

/// Which members are meant.
pub(crate) struct Fields(Vec<Field>);

struct Field {
    /// None: of any action.
    action: Option<String>,
    name: String,
}

impl Fields {
    /// Reads `name` and `Action.name`. The error goes with the name of the setting: `[1]: …`.
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

    /// Removes the members; answers whether there were any.
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

    /// Masks the values of the members, everything inside them included; answers whether there were any. Values keep
    /// their kinds, so that the payload keeps its form.
    pub(crate) fn mask_in(&self, tree: &mut Tree<'_>, action: &str) -> bool {
        let mut masked = false;
        each_inside(tree, false, &|name, inside| inside || self.contain(action, name), &mut |value| {
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

/// Visits the values of members with such names: where the value is a list, its items; where it is an object, nothing but
/// its own members of such names.
pub(crate) fn each_scalar<'a>(
    tree: &mut Tree<'a>,
    is_meant: &impl Fn(&str) -> bool,
    visit: &mut impl FnMut(&mut Tree<'a>),
) {
    each_inside(tree, false, &|name, _| is_meant(name), visit);
}

/// `inside`: whether this value is meant. `enters` says it of a member, by its name and by whether its object is meant.
fn each_inside<'a>(
    tree: &mut Tree<'a>,
    inside: bool,
    enters: &impl Fn(&str, bool) -> bool,
    visit: &mut impl FnMut(&mut Tree<'a>),
) {
    match tree {
        Tree::Object(object) => {
            object.iter_mut().for_each(|(name, value)| each_inside(value, enters(name, inside), enters, visit));
        }
        Tree::List(items) => items.iter_mut().for_each(|item| each_inside(item, inside, enters, visit)),
        Tree::Scalar(_) if inside => visit(tree),
        Tree::Scalar(_) => {}
    }
}
