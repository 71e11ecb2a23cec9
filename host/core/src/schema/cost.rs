//! Estimates the cost of validating a payload with a transform's schema.
//!
//! A validator cannot be interrupted, and a schema of a few lines can make it run for years: forty definitions, each of
//! which refers twice to the next. So the cost is estimated before each validation. The estimate is an upper bound: it
//! counts all branches, while a validator stops at the first that decides.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// The most parts of a schema, counting a part once for each reference to it.
const MAX_PARTS: u64 = 100_000;
/// The most levels of a schema: each reference and each keyword that leads to another part is one.
const MAX_LEVELS: usize = 64;
/// The longest schema, in bytes of JSON text.
pub(super) const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// The most levels that a validator may descend, in schema and payload together: it recurses on the stack of a thread.
const MAX_VALIDATION_LEVELS: usize = 192;
/// The most steps for one payload. A step takes some dozen nanoseconds.
const MAX_STEPS: u64 = 250_000;
/// The steps that a pattern or format takes per byte of a text: in the worst case it visits many states for each.
const STEPS_PER_BYTE: u64 = 16;

/// Keywords whose references are resolved only during validation, or that start a separate document.
const UNSUPPORTED_KEYWORDS: [&str; 4] = ["$dynamicRef", "$recursiveRef", "contentSchema", "discriminator"];

/// A part of a schema, as an index into [`Plan::parts`].
type Part = usize;

/// The parts of a schema, reduced to what determines the cost.
#[derive(Debug)]
pub(super) struct Plan {
    parts: Vec<Shape>,
    /// An upper bound of the steps per byte of a payload. `None`: the schema refers to itself.
    per_byte: Option<u64>,
}

#[derive(Debug, Default)]
struct Shape {
    /// Steps for any value.
    steps: u64,
    /// Steps per byte of a text.
    per_byte: u64,
    /// Whether the validator evaluates `in_place` a second time, as `unevaluated…` keywords require.
    evaluates_twice: bool,
    /// The parts that apply to the value itself.
    in_place: Vec<Part>,
    /// The parts that apply to members of these names, to all members, and to the names themselves.
    members: HashMap<String, Part>,
    all_members: Vec<Part>,
    names: Vec<Part>,
    /// The number of patterns that each name is matched with.
    patterns: u64,
    /// The parts that apply to items by their position, and to all items.
    items: Vec<Part>,
    all_items: Vec<Part>,
    /// Whether items are compared with each other.
    unique: bool,
}

/// The validation was not done, because it might take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("validating a payload may take more than {MAX_STEPS} steps")]
pub struct TooCostly;

impl Plan {
    /// Reads a schema. The error says what is wrong with it.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut reader = Reader { document: schema, parts: Vec::new(), known: HashMap::new() };
        reader.part(String::new(), 0)?;
        let mut sums = vec![None; reader.parts.len()];
        let sum = sum(&reader.parts, 0, &mut sums, 0)?;
        let per_byte = (!sum.refers_to_itself).then_some(sum.steps);
        Ok(Plan { parts: reader.parts, per_byte })
    }

    /// Whether a payload may be validated with the schema. `size`: of its text, in bytes.
    pub(super) fn check(&self, payload: &Value, size: usize) -> Result<(), TooCostly> {
        match self.per_byte {
            // The usual case. A payload has at most one value per byte.
            Some(per_byte) if per_byte.saturating_mul(size as u64) <= MAX_STEPS => Ok(()),
            _ => self.cost(payload).map(drop),
        }
    }

    /// An upper bound of the steps for a payload.
    pub(super) fn cost(&self, payload: &Value) -> Result<u64, TooCostly> {
        let mut left = MAX_STEPS;
        self.spend(0, payload, &mut left, 0)?;
        Ok(MAX_STEPS - left)
    }

    fn spend(&self, part: Part, value: &Value, left: &mut u64, depth: usize) -> Result<(), TooCostly> {
        if depth > MAX_VALIDATION_LEVELS {
            return Err(TooCostly);
        }
        let shape = &self.parts[part];
        let text = value.as_str().map_or(0, |text| text.len() as u64);
        let mut take = |steps: u64| left.checked_sub(steps).map(|rest| *left = rest).ok_or(TooCostly);
        take(1 + shape.steps + text / 64 + shape.per_byte.saturating_mul(text))?;
        if shape.unique {
            take(size_of(value))?;
        }
        for _ in 0..=u8::from(shape.evaluates_twice) {
            for &part in &shape.in_place {
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
            let steps = shape.patterns * (1 + STEPS_PER_BYTE * name.len() as u64);
            *left = left.checked_sub(steps).ok_or(TooCostly)?;
            for &part in &shape.names {
                // A name is validated like a string value.
                self.spend(part, &Value::String(name.clone()), left, depth)?;
            }
        }
        Ok(())
    }
}

/// The number of values in a value. Long texts count as several.
fn size_of(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(members) => members.values().map(size_of).sum(),
        Value::String(text) => text.len() as u64 / 64,
        _ => 0,
    }
}

/// Reads a schema part by part, each part once.
struct Reader<'s> {
    document: &'s Value,
    parts: Vec<Shape>,
    /// The parts that were read, by their JSON pointers.
    known: HashMap<String, Part>,
}

impl Reader<'_> {
    fn part(&mut self, pointer: String, depth: usize) -> Result<Part, String> {
        if let Some(&known) = self.known.get(&pointer) {
            return Ok(known);
        }
        if depth > MAX_LEVELS {
            return Err(format!("more than {MAX_LEVELS} levels"));
        }
        let place = self.parts.len();
        self.parts.push(Shape::default());
        self.known.insert(pointer.clone(), place);
        let document = self.document;
        let found =
            document.pointer(&pointer).ok_or_else(|| format!("a reference to #{pointer}, which does not exist"))?;
        // Only objects have parts. Whether other values are schemas is checked by the validator.
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
            _ if UNSUPPORTED_KEYWORDS.contains(&keyword) => return Err(format!("{keyword} is not supported")),
            "format" if value == "regex" => return Err("the format regex is not supported".to_owned()),
            "$id" | "id" if !pointer.is_empty() && value.is_string() => {
                return Err(format!("{keyword} below the root"));
            }
            "$ref" => {
                let target = self.target(value.as_str().unwrap_or_default())?;
                shape.in_place.push(self.part(target, depth)?);
            }
            "allOf" | "anyOf" | "oneOf" => shape.in_place.extend(self.list(&here, value, depth)?),
            "not" | "if" | "then" | "else" => shape.in_place.push(self.part(here, depth)?),
            "dependentSchemas" | "dependencies" => {
                shape.in_place.extend(self.each(&here, value, depth)?.into_iter().map(|(_, part)| part));
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
            "pattern" | "format" | "contentEncoding" | "contentMediaType" => shape.per_byte += STEPS_PER_BYTE,
            "uniqueItems" => shape.unique = true,
            _ => {}
        }
        shape.evaluates_twice |= keyword.starts_with("unevaluated");
        // The validator goes through lists of names and of values.
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

    /// The JSON pointer in the document that a reference points to.
    fn target(&self, reference: &str) -> Result<String, String> {
        let own =
            self.document.get("$id").or_else(|| self.document.get("id")).and_then(Value::as_str).unwrap_or_default();
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let is_own = base.is_empty() || base == own.trim_end_matches('#');
        let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        if is_own && (pointer.is_empty() || pointer.starts_with('/')) {
            return Ok(pointer.into_owned());
        }
        Err(format!(
            "a reference to {reference:?}: only references to parts of the schema itself, as #/…, are supported"
        ))
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The cost of a part, with all that it refers to.
#[derive(Debug, Clone, Copy)]
struct TotalCost {
    steps: u64,
    parts: u64,
    levels: usize,
    refers_to_itself: bool,
}

/// Adds up the cost of a part; parts count once for each reference to them. `None` in `sums`: not computed yet. While a
/// part is computed, its entry is marked as referring to itself: a reference that finds this entry is recursive.
fn sum(all: &[Shape], part: Part, sums: &mut Vec<Option<TotalCost>>, depth: usize) -> Result<TotalCost, String> {
    if let Some(known) = sums[part] {
        return Ok(known);
    }
    if depth > MAX_LEVELS {
        return Err(format!("more than {MAX_LEVELS} levels"));
    }
    sums[part] = Some(TotalCost { steps: 0, parts: 1, levels: 0, refers_to_itself: true });
    let shape = &all[part];
    let own = 2 + shape.steps + shape.per_byte + u64::from(shape.unique) + shape.patterns * (1 + STEPS_PER_BYTE);
    let mut total = TotalCost { steps: own, parts: 1, levels: 0, refers_to_itself: false };
    let lists = [&shape.all_members, &shape.names, &shape.items, &shape.all_items];
    let below = shape.members.values().chain(lists.into_iter().flatten()).map(|&part| (part, 1));
    let in_place = shape.in_place.iter().map(|&part| (part, 1 + u64::from(shape.evaluates_twice)));
    for (part, times) in in_place.chain(below) {
        let sum = sum(all, part, sums, depth + 1)?;
        total.steps = total.steps.saturating_add(sum.steps.saturating_mul(times));
        total.parts = total.parts.saturating_add(sum.parts.saturating_mul(times));
        total.levels = total.levels.max(sum.levels + 1);
        total.refers_to_itself |= sum.refers_to_itself;
    }
    if total.parts > MAX_PARTS {
        return Err(format!("more than {MAX_PARTS} parts, counting a part once for each reference to it"));
    }
    if total.levels > MAX_LEVELS {
        return Err(format!("more than {MAX_LEVELS} levels"));
    }
    sums[part] = Some(total);
    Ok(total)
}

#[cfg(test)]
mod tests;
