//! What a program can call: the standard filters of jq without those that need more than the gateway gives, and the
//! filters for state, log and clock.

use crate::input::fixed;
use crate::{read, write};
use bytes::Bytes;
use jaq_core::compile::TermId;
use jaq_core::data::{DataT, HasLut};
use jaq_core::load::{self, parse::Def};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Bind, Cv, Error, Lut, ValR, ValT as _, ValXs};
use jaq_json::Val;
use jaq_std::ValT as _;
use ocpp_transform::log::Level;
use ocpp_transform::state::StateError;
use ocpp_transform::{clock, log, state};
use std::cell::RefCell;

/// The name of the function through which the compiled program tells where its filters are.
pub(crate) const ENTRIES: &str = "__entries";

/// The types that filters work on.
pub(crate) enum Kind {}

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

/// What filters can reach while they run.
#[derive(Clone, Copy)]
pub(crate) struct Data<'a> {
    pub(crate) terms: &'a Lut<Kind>,
    /// Where the filters of the hooks start, noted by [`ENTRIES`].
    pub(crate) found: &'a RefCell<Vec<TermId>>,
}

impl<'a> HasLut<'a, Kind> for Data<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.terms
    }
}

/// Filters of jq that do not exist here, and what to say about them.
const ABSENT: [(&str, &str); 17] = [
    ("debug", "write to the log with `log(\"debug\")`"),
    ("debug_empty", ""),
    ("stderr", "write to the log with `log(\"warn\")`"),
    ("stderr_empty", ""),
    ("input", "a hook is called with one message at a time, which is `.`"),
    ("inputs", "a hook is called with one message at a time, which is `.`"),
    ("input_filename", "a hook is called with one message at a time, which is `.`"),
    ("input_line_number", "a hook is called with one message at a time, which is `.`"),
    ("env", "a program does not see the environment of the gateway; write the value into the program"),
    ("$ENV", "a program does not see the environment of the gateway; write the value into the program"),
    ("halt", "end with `error(\"why\")`, or with `empty`"),
    ("halt_error", "end with `error(\"why\")`"),
    ("localtime", "there is no local time zone; use `gmtime`"),
    ("strflocaltime", "there is no local time zone; use `strftime`"),
    ("$__loc__", "it is not supported"),
    ("get_search_list", "a program is one text, without modules"),
    ("modulemeta", "a program is one text, without modules"),
];

/// What to say about a filter of jq that does not exist here.
pub(crate) fn why_absent(name: &str) -> Option<&'static str> {
    ABSENT.iter().find(|(absent, why)| *absent == name && !why.is_empty()).map(|(_, why)| *why)
}

/// With how many arguments a filter exists, in ascending order.
pub(crate) fn arities(name: &str) -> Vec<usize> {
    let defined = prelude().filter(|def| def.name == name).map(|def| def.args.len());
    let native = functions().filter(|(native, ..)| *native == name).map(|(_, arguments, _)| arguments.len());
    let mut arities: Vec<_> = defined.chain(native).collect();
    arities.sort_unstable();
    arities.dedup();
    arities
}

/// Filters that jaq defines in jq, which programs call all the time, and which are faster as functions.
fn fast() -> [Fun<Kind>; 11] {
    [
        run(("null", v(0), |_| bome(Ok(Val::Null)))),
        run(("true", v(0), |_| bome(Ok(Val::Bool(true))))),
        run(("false", v(0), |_| bome(Ok(Val::Bool(false))))),
        run(("not", v(0), |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Null | Val::Bool(false))))))),
        run(("type", v(0), |cv| bome(Ok(fixed(type_name(&cv.1)))))),
        run(("isboolean", v(0), |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Bool(_))))))),
        run(("isnumber", v(0), |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Num(_))))))),
        run(("isstring", v(0), |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::TStr(_) | Val::BStr(_))))))),
        run(("isarray", v(0), |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Arr(_))))))),
        run(("tonumber", v(0), |cv| bome(to_number(cv.1)))),
        run(("tostring", v(0), |cv| bome(Ok(to_text(cv.1))))),
    ]
}

fn type_name(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::BStr(_) | Val::TStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
    }
}

fn to_number(value: Val) -> ValR<Val> {
    let number = match &value {
        Val::Num(_) => return Ok(value),
        Val::TStr(text) => jaq_json::read::parse_single_num(text.trim_ascii()),
        _ => None,
    };
    number.map(Val::Num).ok_or_else(|| Error::str(format_args!("cannot parse {value} as number")))
}

/// As jq, and as in payloads, a calculated number that is whole has no fraction.
fn to_text(value: Val) -> Val {
    match &value {
        Val::Num(_) => write::write(&value).map_or_else(|_| value.into_string(), Val::from),
        _ => value.into_string(),
    }
}

fn is_absent(name: &str) -> bool {
    ABSENT.iter().any(|(absent, _)| *absent == name)
}

/// Definitions that every program sees.
pub(crate) fn prelude() -> impl Iterator<Item = Def<&'static str>> {
    let own = load::parse(include_str!("prelude.jq"), |parser| parser.defs()).unwrap_or_default();
    let standard = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let fast = fast().map(|(name, ..)| name);
    let is_fast = move |def: &Def<&str>| def.args.is_empty() && fast.contains(&def.name);
    standard.filter(move |def| !is_absent(def.name) && !is_fast(def)).chain(own)
}

/// Functions that every program sees.
pub(crate) fn functions() -> impl Iterator<Item = Fun<Kind>> {
    let own: [Fun<Kind>; 5] = [
        run((ENTRIES, vec![Bind::Fun(()); crate::hook::Hook::ALL.len()].into(), |cv| note_entries(cv))),
        run(("now", v(0), |_| bome(Ok(Val::from(clock::unix_ms() as f64 / 1000.0))))),
        run(("state", v(1), |mut cv| bome(get_state(&cv.0.pop_var())))),
        run(("set_state", v(3), |mut cv| {
            let (ttl, value, key) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
            bome(set_state(&key, &value, &ttl).map(|()| cv.1))
        })),
        run(("log", v(1), |mut cv| bome(write_log(&cv.0.pop_var(), &cv.1).map(|()| cv.1)))),
    ];
    let standard = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    own.into_iter()
        .chain(fast())
        .chain(standard.filter(|(name, arity, _)| !(is_absent(name) || (*name == "now" && arity.is_empty()))))
}

fn note_entries(mut cv: Cv<'_, Kind>) -> ValXs<'_, Val> {
    let mut entries: Vec<_> = crate::hook::Hook::ALL.iter().map(|_| cv.0.pop_fun().0).collect();
    entries.reverse();
    cv.0.data().found.replace(entries);
    Box::new(std::iter::empty())
}

fn key_of(key: &Val) -> Result<&str, Error<Val>> {
    let text = key.as_utf8_bytes().and_then(|key| std::str::from_utf8(key).ok());
    text.ok_or_else(|| Error::str(format_args!("the key of a state must be a string, not {key}")))
}

fn get_state(key: &Val) -> ValR<Val> {
    let name = key_of(key)?;
    match state::get(name) {
        None => Ok(Val::Null),
        Some(value) => read::read(&Bytes::from(value))
            .map_err(|error| Error::str(format_args!("the state {name} cannot be read: {error}"))),
    }
}

/// `null` deletes.
fn set_state(key: &Val, value: &Val, ttl: &Val) -> Result<(), Error<Val>> {
    let name = key_of(key)?;
    if matches!(value, Val::Null) {
        state::delete(name);
        return Ok(());
    }
    let ttl = match ttl {
        Val::Null => None,
        ttl => match ttl.as_f64() {
            // At least a second: 0 would be no expiry for some, and no value for others.
            Some(seconds) if seconds >= 1.0 => Some(seconds.min(f64::from(u32::MAX)) as u32),
            _ => return Err(Error::str(format_args!("the time to live must be seconds, 1 or more, not {ttl}"))),
        },
    };
    let text =
        write::write(value).map_err(|error| Error::str(format_args!("the state {name} cannot be written: {error}")))?;
    state::set(name, text.as_bytes(), ttl).map_err(|error| {
        let why = match error {
            StateError::TooManyKeys => "it has too many keys",
            StateError::TooLarge => "the value is too large",
            StateError::Unavailable => "it is not available",
        };
        Error::str(format_args!("the state {name} was not kept: {why}"))
    })
}

fn write_log(level: &Val, message: &Val) -> Result<(), Error<Val>> {
    let level = match level.as_utf8_bytes() {
        Some(b"trace") => Level::Trace,
        Some(b"debug") => Level::Debug,
        Some(b"info") => Level::Info,
        Some(b"warn") => Level::Warn,
        Some(b"error") => Level::Error,
        _ => return Err(Error::str(format_args!("{level} is no level; there are trace, debug, info, warn, error"))),
    };
    match message.as_utf8_bytes() {
        Some(text) => log::log(level, &String::from_utf8_lossy(text), &[]),
        None => log::log(level, &message.to_string(), &[]),
    }
    Ok(())
}
