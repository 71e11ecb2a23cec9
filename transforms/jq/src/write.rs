//! From values to JSON text, and the comparison that tells whether a program changed a value.

use crate::read::{MAX_DEPTH, number_length};
use bytes::Bytes;
use jaq_json::{Num, Val};
use std::io::Write;
use std::rc::Rc;

/// Whole numbers up to here have an exact `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes a value as JSON text. The error says what JSON cannot express.
pub(crate) fn write(value: &Val) -> Result<String, String> {
    let mut text = Vec::with_capacity(2048);
    write_value(&mut text, value, 0)?;
    String::from_utf8(text).map_err(|_| "a string is not UTF-8".to_owned())
}

fn write_value(text: &mut Vec<u8>, value: &Val, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("a value is nested more than {MAX_DEPTH} levels deep"));
    }
    match value {
        Val::Null => text.extend_from_slice(b"null"),
        Val::Bool(true) => text.extend_from_slice(b"true"),
        Val::Bool(false) => text.extend_from_slice(b"false"),
        Val::Num(number) => write_number(text, number)?,
        Val::TStr(string) => write_string(text, string),
        Val::BStr(_) => return Err("JSON has no byte strings".to_owned()),
        Val::Arr(array) => {
            text.push(b'[');
            for (index, value) in array.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_value(text, value, depth + 1)?;
            }
            text.push(b']');
        }
        Val::Obj(object) => {
            text.push(b'{');
            for (index, (name, value)) in object.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                let Val::TStr(name) = name else {
                    return Err(format!("the name of a member is not a string, but {name}"));
                };
                write_string(text, name);
                text.push(b':');
                write_value(text, value, depth + 1)?;
            }
            text.push(b'}');
        }
    }
    Ok(())
}

fn write_number(text: &mut Vec<u8>, number: &Num) -> Result<(), String> {
    match number {
        Num::Float(float) => write_float(text, *float),
        // `"007.50" | tonumber` keeps its zeros, with which it is no JSON.
        Num::Dec(decimal) if number_length(decimal.as_bytes()).is_none_or(|(length, _)| length < decimal.len()) => {
            write_float(text, decimal.parse().unwrap_or(f64::NAN))
        }
        number => write!(text, "{number}").map_err(|error| error.to_string()),
    }
}

/// A calculated number that is whole is written without a fraction, as jq does: some charge points read no `5.0` where
/// they expect a whole number.
fn write_float(text: &mut Vec<u8>, float: f64) -> Result<(), String> {
    if !float.is_finite() {
        return Err(format!("JSON has no number {}", Num::Float(float)));
    }
    let written = if float.trunc() == float && float.abs() < EXACT {
        write!(text, "{}", float as i64)
    } else {
        write!(text, "{}", Num::Float(float))
    };
    written.map_err(|error| error.to_string())
}

fn write_string(text: &mut Vec<u8>, string: &[u8]) {
    text.push(b'"');
    let mut rest = string;
    while let Some(length) = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
        text.extend_from_slice(&rest[..length]);
        match rest[length] {
            b'"' => text.extend_from_slice(b"\\\""),
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            byte => text.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[length + 1..];
    }
    text.extend_from_slice(rest);
    text.push(b'"');
}

/// Whether both values have the same JSON text. Unlike `==`, `1` and `1.0` differ, and so does the order of members.
pub(crate) fn is_same(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Num(a), Val::Num(b)) => is_same_number(a, b),
        (Val::TStr(a), Val::TStr(b)) | (Val::BStr(a), Val::BStr(b)) => is_same_bytes(a, b),
        (Val::Arr(a), Val::Arr(b)) => {
            Rc::ptr_eq(a, b) || (a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_same(a, b)))
        }
        (Val::Obj(a), Val::Obj(b)) => {
            Rc::ptr_eq(a, b)
                || (a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_same(a.0, b.0) && is_same(a.1, b.1)))
        }
        _ => false,
    }
}

/// Strings that a program did not touch share their memory.
fn is_same_bytes(a: &Bytes, b: &Bytes) -> bool {
    (a.as_ptr() == b.as_ptr() && a.len() == b.len()) || a == b
}

fn is_same_number(a: &Num, b: &Num) -> bool {
    match (a, b) {
        (Num::Int(a), Num::Int(b)) => a == b,
        (Num::BigInt(a), Num::BigInt(b)) => a == b,
        (Num::Float(a), Num::Float(b)) => a.to_bits() == b.to_bits(),
        (Num::Dec(a), Num::Dec(b)) => Rc::ptr_eq(a, b) || a == b,
        _ => false,
    }
}
