//! From text to tree: `serde_json` finds where values begin and end, the tree borrows them.

use crate::tree::{Object, Text, Tree, string};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// How deep objects and lists may be nested. OCPP itself needs no more than a dozen levels.
pub const MAX_DEPTH: usize = 64;

/// Why a text cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

impl<'a> Tree<'a> {
    /// Reads JSON text.
    ///
    /// # Errors
    /// It is not JSON, it is nested more than [`MAX_DEPTH`] deep, or one of its strings has an unpaired surrogate.
    pub fn parse(text: &'a str) -> Result<Self, ReadError> {
        tree(serde_json::from_str(text)?, MAX_DEPTH)
    }
}

/// `room`: how many levels of nesting are left.
fn tree(raw: &RawValue, room: usize) -> Result<Tree<'_>, ReadError> {
    let text = raw.get();
    let is_object = text.starts_with('{');
    if !is_object && !text.starts_with('[') {
        // `RawValue` accepts invalid escapes. They are refused here, so that every string of a tree can be read.
        if text.starts_with('"') && text.contains('\\') {
            string(text)?;
        }
        return Ok(Tree::Scalar(Cow::Borrowed(text)));
    }
    let room = room.checked_sub(1).ok_or(ReadError::TooDeep)?;
    if is_object {
        let Members(members) = serde_json::from_str(text)?;
        let members = members.into_iter().map(|(Text(name), value)| Ok((name, tree(value, room)?)));
        Ok(Tree::Object(Object(members.collect::<Result<_, ReadError>>()?)))
    } else {
        let items: Vec<&RawValue> = serde_json::from_str(text)?;
        Ok(Tree::List(items.into_iter().map(|item| tree(item, room)).collect::<Result<_, _>>()?))
    }
}

/// One level of an object.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or_default());
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
