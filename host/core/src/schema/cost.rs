//! How much work it may be to validate a payload with a transform's schema.
//!
//! A validator cannot be stopped, and a schema of a few lines can make it run for years: forty definitions, each of which
//! refers twice to the next. So nothing is validated before its cost is reckoned. What is reckoned is an upper bound: all
//! branches are taken, where a validator stops at the first that decides.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// A schema with all that it refers to may become so many parts.
const MOST_PARTS: u64 = 100_000;
/// Levels of a schema, each reference and each keyword that leads to another part one of them.
const DEEPEST: usize = 64;
/// The longest schema, in bytes of JSON text.
pub(super) const LONGEST: usize = 256 << 10;
/// Levels of schema and payload together that a validator may descend: its recursion has the stack of a thread.
const DEEPEST_RUN: usize = 192;
/// Steps for one payload, each some dozen nanoseconds.
const BUDGET: u64 = 250_000;
/// What a pattern or a format takes for each byte of a text: in the worst case many states are looked at for each.
const PER_BYTE: u64 = 16;

/// References that are found out only while validating, and what starts a document of its own.
const NOT_TAKEN: [&str; 4] = ["$dynamicRef", "$recursiveRef", "contentSchema", "discriminator"];

/// A part of a schema by its place in [`Plan::parts`].
type Part = usize;

/// The parts of a schema, as far as they decide about the cost.
#[derive(Debug)]
pub(super) struct Plan {
    parts: Vec<Shape>,
    /// More than any payload costs, per byte of it. `None`: the schema refers to itself.
    per_byte: Option<u64>,
}

#[derive(Debug, Default)]
struct Shape {
    /// Steps whatever the value is.
    steps: u64,
    /// Steps per byte of a text.
    per_byte: u64,
    /// Whether what its parts for the same value did is found out once more.
    again: bool,
    /// For the same value.
    same: Vec<Part>,
    /// For members of these names, for all members, and for the names themselves.
    members: HashMap<String, Part>,
    all_members: Vec<Part>,
    names: Vec<Part>,
    /// Patterns that each name is held against.
    patterns: u64,
    /// For items at their places, and for all items.
    items: Vec<Part>,
    all_items: Vec<Part>,
    /// Whether items are compared with each other.
    unique: bool,
}

/// It would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("holding a payload against the schema may take more than {BUDGET} steps")]
pub struct TooCostly;

impl Plan {
    /// The error says what is wrong with the schema.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut reader = Reader { document: schema, parts: Vec::new(), known: HashMap::new() };
        reader.part(String::new(), 0)?;
        let mut sums = vec![None; reader.parts.len()];
        let sum = sum(&reader.parts, 0, &mut sums, 0)?;
        let per_byte = (!sum.refers_to_itself).then_some(sum.steps);
        Ok(Plan { parts: reader.parts, per_byte })
    }

    /// Whether a payload may be held against the schema. `size`: of its text.
    pub(super) fn check(&self, payload: &Value, size: usize) -> Result<(), TooCostly> {
        match self.per_byte {
            // As nearly always: each byte is at most one value.
            Some(per_byte) if per_byte.saturating_mul(size as u64) <= BUDGET => Ok(()),
            _ => self.cost(payload).map(drop),
        }
    }

    /// How many steps it takes at most.
    pub(super) fn cost(&self, payload: &Value) -> Result<u64, TooCostly> {
        let mut left = BUDGET;
        self.spend(0, payload, &mut left, 0)?;
        Ok(BUDGET - left)
    }

    fn spend(&self, part: Part, value: &Value, left: &mut u64, depth: usize) -> Result<(), TooCostly> {
        if depth > DEEPEST_RUN {
            return Err(TooCostly);
        }
        let shape = &self.parts[part];
        let text = value.as_str().map_or(0, |text| text.len() as u64);
        let mut take = |steps: u64| left.checked_sub(steps).map(|rest| *left = rest).ok_or(TooCostly);
        take(1 + shape.steps + text / 64 + shape.per_byte.saturating_mul(text))?;
        if shape.unique {
            take(size_of(value))?;
        }
        for _ in 0..=u8::from(shape.again) {
            for &part in &shape.same {
                self.spend(part, value, left, depth + 1)?;
            }
        }
        match value {
            Value::Object(members) => self.spend_on_members(shape, members, left, depth + 1),
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    for &part in shape.items.get(place).into_iter().chain(&shape.all_items) {
                        self.spend(part, item, left, depth + 1)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn spend_on_members(
        &self,
        shape: &Shape,
        members: &Map<String, Value>,
        left: &mut u64,
        depth: usize,
    ) -> Result<(), TooCostly> {
        for (name, member) in members {
            for &part in shape.members.get(name).into_iter().chain(&shape.all_members) {
                self.spend(part, member, left, depth)?;
            }
            let steps = shape.patterns * (1 + PER_BYTE * name.len() as u64);
            *left = left.checked_sub(steps).ok_or(TooCostly)?;
            for &part in &shape.names {
                // As if it were a value.
                self.spend(part, &Value::String(name.clone()), left, depth)?;
            }
        }
        Ok(())
    }
}

/// How many values there are in one.
fn size_of(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(members) => members.values().map(size_of).sum(),
        Value::String(text) => text.len() as u64 / 64,
        _ => 0,
    }
}

/// Reads a schema part by part, each only once.
struct Reader<'s> {
    document: &'s Value,
    parts: Vec<Shape>,
    /// By their JSON pointers.
    known: HashMap<String, Part>,
}

impl Reader<'_> {
    fn part(&mut self, pointer: String, depth: usize) -> Result<Part, String> {
        if let Some(&known) = self.known.get(&pointer) {
            return Ok(known);
        }
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} levels"));
        }
        let place = self.parts.len();
        self.parts.push(Shape::default());
        self.known.insert(pointer.clone(), place);
        let document = self.document;
        let found =
            document.pointer(&pointer).ok_or_else(|| format!("a reference to #{pointer}, which is not there"))?;
        // Anything else than an object has no parts, whether it is a schema or not.
        let mut shape = Shape::default();
        if let Value::Object(schema) = found {
            for (keyword, value) in schema {
                self.keyword(&mut shape, &pointer, keyword, value, depth + 1)?;
            }
        }
        self.parts[place] = shape;
        Ok(place)
    }

    fn keyword(
        &mut self,
        shape: &mut Shape,
        pointer: &str,
        keyword: &str,
        value: &Value,
        depth: usize,
    ) -> Result<(), String> {
        let here = format!("{pointer}/{}", escape(keyword));
        match keyword {
            _ if NOT_TAKEN.contains(&keyword) => return Err(format!("{keyword} is not taken")),
            "format" if value == "regex" => return Err("the format regex is not taken".to_owned()),
            "$id" | "id" if !pointer.is_empty() && value.is_string() => return Err(format!("{keyword} inside of it")),
            "$ref" => {
                let target = self.target(value.as_str().unwrap_or_default())?;
                shape.same.push(self.part(target, depth)?);
            }
            "allOf" | "anyOf" | "oneOf" => shape.same.extend(self.list(&here, value, depth)?),
            "not" | "if" | "then" | "else" => shape.same.push(self.part(here, depth)?),
            "dependentSchemas" | "dependencies" => {
                shape.same.extend(self.each(&here, value, depth)?.into_iter().map(|(_, part)| part));
            }
            "properties" => shape.members = self.each(&here, value, depth)?.into_iter().collect(),
            "patternProperties" => {
                let parts = self.each(&here, value, depth)?;
                shape.patterns += parts.len() as u64;
                shape.all_members.extend(parts.into_iter().map(|(_, part)| part));
            }
            "additionalProperties" | "unevaluatedProperties" => shape.all_members.push(self.part(here, depth)?),
            "propertyNames" => shape.names.push(self.part(here, depth)?),
            "items" | "prefixItems" if value.is_array() => shape.items = self.list(&here, value, depth)?,
            "items" | "additionalItems" | "contains" | "unevaluatedItems" => {
                shape.all_items.push(self.part(here, depth)?);
            }
            "pattern" | "format" | "contentEncoding" | "contentMediaType" => shape.per_byte += PER_BYTE,
            "uniqueItems" => shape.unique = true,
            _ => {}
        }
        shape.again |= keyword.starts_with("unevaluated");
        // Lists of names and of values are gone through.
        shape.steps += match keyword {
            "enum" | "const" => size_of(value),
            _ => value.as_array().map_or(0, Vec::len) as u64 + value.as_object().map_or(0, Map::len) as u64,
        };
        Ok(())
    }

    fn list(&mut self, here: &str, value: &Value, depth: usize) -> Result<Vec<Part>, String> {
        let count = value.as_array().map_or(0, Vec::len);
        (0..count).map(|place| self.part(format!("{here}/{place}"), depth)).collect()
    }

    fn each(&mut self, here: &str, value: &Value, depth: usize) -> Result<Vec<(String, Part)>, String> {
        let names = value.as_object().into_iter().flat_map(Map::keys);
        names.map(|name| Ok((name.clone(), self.part(format!("{here}/{}", escape(name)), depth)?))).collect()
    }

    /// The JSON pointer in the document that a reference means.
    fn target(&self, reference: &str) -> Result<String, String> {
        let own =
            self.document.get("$id").or_else(|| self.document.get("id")).and_then(Value::as_str).unwrap_or_default();
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let is_own = base.is_empty() || base == own.trim_end_matches('#');
        let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        if is_own && (pointer.is_empty() || pointer.starts_with('/')) {
            return Ok(pointer.into_owned());
        }
        Err(format!("a reference to {reference:?}: only parts of the schema itself are, as #/…"))
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A part with all that it refers to.
#[derive(Debug, Clone, Copy)]
struct TotalCost {
    steps: u64,
    parts: u64,
    levels: usize,
    refers_to_itself: bool,
}

/// Adds up a part, each as often as it is referred to. `None` in `sums` stands for what is not known; a part that is being
/// added up stands there with nothing yet, and refers to itself.
fn sum(all: &[Shape], part: Part, sums: &mut Vec<Option<TotalCost>>, depth: usize) -> Result<TotalCost, String> {
    if let Some(known) = sums[part] {
        return Ok(known);
    }
    if depth > DEEPEST {
        return Err(format!("more than {DEEPEST} levels"));
    }
    sums[part] = Some(TotalCost { steps: 0, parts: 1, levels: 0, refers_to_itself: true });
    let shape = &all[part];
    let own = 2 + shape.steps + shape.per_byte + u64::from(shape.unique) + shape.patterns * (1 + PER_BYTE);
    let mut total = TotalCost { steps: own, parts: 1, levels: 0, refers_to_itself: false };
    let lists = [&shape.all_members, &shape.names, &shape.items, &shape.all_items];
    let below = shape.members.values().chain(lists.into_iter().flatten()).map(|&part| (part, 1));
    let beside = shape.same.iter().map(|&part| (part, 1 + u64::from(shape.again)));
    for (part, times) in beside.chain(below) {
        let sum = sum(all, part, sums, depth + 1)?;
        total.steps = total.steps.saturating_add(sum.steps.saturating_mul(times));
        total.parts = total.parts.saturating_add(sum.parts.saturating_mul(times));
        total.levels = total.levels.max(sum.levels + 1);
        total.refers_to_itself |= sum.refers_to_itself;
    }
    if total.parts > MOST_PARTS {
        return Err(format!("with all that it refers to it has more than {MOST_PARTS} parts"));
    }
    if total.levels > DEEPEST {
        return Err(format!("more than {DEEPEST} levels"));
    }
    sums[part] = Some(total);
    Ok(total)
}

#[cfg(test)]
mod tests;
