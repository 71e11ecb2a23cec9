//! Reading the objects that a program gives. Errors say what an output must look like.

use crate::problem::shorten;
use crate::write;
use jaq_json::{Map, Num, Val};
use ocpp_transform::Attributes;
use std::rc::Rc;

/// An object that a program gave.
#[derive(Clone)]
pub(crate) struct Object<'k> {
    members: Rc<Map>,
    /// What it is, for errors.
    kind: &'k str,
}

impl<'k> Object<'k> {
    pub(crate) fn new(value: Val, kind: &'k str) -> Result<Self, String> {
        match value {
            Val::Obj(members) => Ok(Object { members, kind }),
            other => Err(format!("{kind} must be an object, not {}", show(&other))),
        }
    }

    pub(crate) fn get(&self, name: &'static str) -> Option<&Val> {
        self.members.get(&crate::input::fixed(name))
    }

    /// Refuses members with other names: a misspelt one would have no effect.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), String> {
        for name in self.members.keys() {
            let is_known = text_of(name).is_some_and(|name| names.contains(&name));
            if !is_known {
                return Err(format!("{} has no {}; it has {}", self.kind, show(name), names.join(", ")));
            }
        }
        Ok(())
    }

    /// The name and the value of the only member, if it is the only one.
    pub(crate) fn single(&self) -> Option<(&str, &Val)> {
        if self.members.len() != 1 {
            return None;
        }
        let (name, value) = self.members.get_index(0)?;
        Some((text_of(name)?, value))
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, String> {
        match self.get(name) {
            None | Some(Val::Null) => Ok(None),
            Some(value) => match text_of(value) {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(self.wrong(name, value, "a string")),
            },
        }
    }

    pub(crate) fn required_text(&self, name: &'static str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("{} needs a string `{name}`", self.kind))
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, String> {
        match self.get(name) {
            None | Some(Val::Null) => Ok(None),
            Some(Val::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong(name, other, "true or false")),
        }
    }

    pub(crate) fn number(&self, name: &'static str, from: u16, to: u16) -> Result<Option<u16>, String> {
        match self.get(name) {
            None | Some(Val::Null) => Ok(None),
            Some(value) => match whole_number(value) {
                Some(number) if (from..=to).contains(&number) => Ok(Some(number)),
                _ => Err(self.wrong(name, value, &format!("a whole number from {from} to {to}"))),
            },
        }
    }

    pub(crate) fn qos(&self) -> Result<Option<u8>, String> {
        Ok(self.number("qos", 0, 2)?.map(|qos| qos as u8))
    }

    /// The JSON text of a member that must be an object, as payloads of OCPP are.
    pub(crate) fn json_object(&self, name: &'static str) -> Result<Option<String>, String> {
        match self.get(name) {
            None | Some(Val::Null) => Ok(None),
            Some(value) => object_text(value, &format!("`{name}` of {}", self.kind)).map(Some),
        }
    }

    pub(crate) fn attributes(&self, name: &'static str) -> Result<Option<Attributes>, String> {
        match self.get(name) {
            None | Some(Val::Null) => Ok(None),
            Some(Val::Obj(members)) => attribute_list(members, &format!("`{name}` of {}", self.kind)).map(Some),
            Some(other) => Err(self.wrong(name, other, "an object of strings")),
        }
    }

    pub(crate) fn show(&self) -> String {
        show(&Val::Obj(self.members.clone()))
    }

    pub(crate) fn wrong(&self, name: &str, value: &Val, right: &str) -> String {
        format!("`{name}` of {} must be {right}, not {}", self.kind, show(value))
    }
}

/// JSON text of a value that must be an object.
pub(crate) fn object_text(value: &Val, what: &str) -> Result<String, String> {
    match value {
        Val::Obj(_) => write::write(value).map_err(|error| format!("{what} is not JSON: {error}")),
        other => Err(format!("{what} must be an object, not {}", show(other))),
    }
}

pub(crate) fn attribute_list(members: &Map, what: &str) -> Result<Attributes, String> {
    let pair = |(name, value): (&Val, &Val)| match (text_of(name), text_of(value)) {
        (Some(name), Some(value)) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{} in {what} must be a string, not {}", show(name), show(value))),
    };
    members.iter().map(pair).collect()
}

pub(crate) fn text_of(value: &Val) -> Option<&str> {
    match value {
        Val::TStr(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

fn whole_number(value: &Val) -> Option<u16> {
    match value {
        Val::Num(Num::Int(number)) => u16::try_from(*number).ok(),
        Val::Num(Num::Float(number)) if number.trunc() == *number && (0.0..65_536.0).contains(number) => {
            Some(*number as u16)
        }
        _ => None,
    }
}

/// A value for an error message.
pub(crate) fn show(value: &Val) -> String {
    shorten(&value.to_string(), 80)
}
