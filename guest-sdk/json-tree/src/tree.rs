//! The tree, and how it is edited and written.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

/// Any JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree<'a> {
    Object(Object<'a>),
    List(Vec<Tree<'a>>),
    /// A string, a number, `true`, `false` or `null`: its JSON text.
    Scalar(Cow<'a, str>),
}

/// The members of a JSON object, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, Tree<'a>)>);

impl<'a> Tree<'a> {
    /// A string with this value.
    ///
    /// ```
    /// use ocpp_transform_json_tree::Tree;
    /// assert_eq!(Tree::string("a \"tag\"").to_string(), r#""a \"tag\"""#);
    /// ```
    pub fn string(value: &str) -> Self {
        Tree::Scalar(Cow::Owned(serde_json::Value::from(value).to_string()))
    }

    /// The value, if this is a string.
    ///
    /// ```
    /// use ocpp_transform_json_tree::Tree;
    /// assert_eq!(Tree::parse(r#""caf\u00e9""#).expect("JSON").as_str().as_deref(), Some("café"));
    /// assert_eq!(Tree::parse("17").expect("JSON").as_str(), None);
    /// ```
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        match self {
            Tree::Scalar(text) if text.starts_with('"') => string(text).ok(),
            _ => None,
        }
    }

    /// The text, if this is a number.
    ///
    /// ```
    /// use ocpp_transform_json_tree::Tree;
    /// assert_eq!(Tree::parse("-17.10").expect("JSON").as_number(), Some("-17.10"));
    /// assert_eq!(Tree::parse(r#""17""#).expect("JSON").as_number(), None);
    /// ```
    pub fn as_number(&self) -> Option<&str> {
        match self {
            Tree::Scalar(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Some(text),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Tree::Scalar(text) if text == "null")
    }
}

impl<'a> Object<'a> {
    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a member. Of several members with that name it is the last, as for most parsers.
    pub fn get(&self, key: &str) -> Option<&Tree<'a>> {
        self.0.iter().rfind(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of a member, to be edited.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree<'a>> {
        self.0.iter_mut().rfind(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Gives a member another value, in its place; or adds it at the end.
    pub fn set(&mut self, key: &'a str, value: Tree<'a>) {
        match self.get_mut(key) {
            Some(member) => *member = value,
            None => self.0.push((Cow::Borrowed(key), value)),
        }
    }

    /// Every member with its name, to be edited.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Tree<'a>)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    /// Removes the members whose names are not wanted; returns how many.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|(name, _)| wanted(name));
        before - self.0.len()
    }
}

impl Display for Tree<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Scalar(text) => out.write_str(text),
            Tree::List(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                out.write_char(']')
            }
            Tree::Object(Object(members)) => {
                out.write_char('{')?;
                for (index, (name, value)) in members.iter().enumerate() {
                    write!(out, "{}{}:{value}", if index == 0 { "" } else { "," }, Tree::string(name))?;
                }
                out.write_char('}')
            }
        }
    }
}

/// The value of a string's JSON text.
pub(crate) fn string(text: &str) -> serde_json::Result<Cow<'_, str>> {
    serde_json::from_str(text).map(|Text(value)| value)
}

/// A string, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);
