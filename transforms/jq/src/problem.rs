//! Errors of a program, for its author: where, the line itself with a caret below, and what was expected.

use crate::natives::{arities, why_absent};
use jaq_core::compile::{self, Undefined};
use jaq_core::load::parse::{Expect, TError};
use jaq_core::load::{self, File, lex, parse};

/// The longest part of a line that is shown.
const SHOWN: usize = 100;

pub(crate) fn of_lexing(code: &str, errors: Vec<lex::Error<&str>>) -> String {
    first(code, errors.into_iter().map(|(expected, found)| (offset(code, found), lex_text(code, expected, found))))
}

pub(crate) fn of_parsing(code: &str, errors: Vec<TError<'_, &str>>) -> String {
    let errors = errors.into_iter().map(|(expected, found)| {
        let found = lex::Token::opt_as_str(found, code);
        (offset(code, found), parse_text(&expected, found))
    });
    first(code, errors)
}

/// The program itself has been parsed before, so this is for completeness.
pub(crate) fn of_loading(code: &str, errors: load::Errors<&str, ()>) -> String {
    let errors = errors.into_iter().flat_map(|(_, error)| match error {
        load::Error::Io(errors) => errors.into_iter().map(|(_, error)| error).collect(),
        load::Error::Lex(errors) => errors.into_iter().map(|(expected, _)| expected.as_str().to_owned()).collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, found): parse::Error<&str>| parse_text(&expected, found))
            .collect::<Vec<_>>(),
    });
    first(code, errors.map(|text| (code.len(), text)))
}

pub(crate) fn of_compiling(code: &str, whole: &str, errors: compile::Errors<&str, ()>) -> String {
    let errors = errors.into_iter().flat_map(|(File { code: file, .. }, errors)| {
        let is_program = file.as_ptr() == whole.as_ptr();
        errors.into_iter().map(move |(name, undefined)| {
            let at = if is_program { offset(whole, name) } else { 0 };
            (at, undefined_text(name, &undefined))
        })
    });
    first(code, errors)
}

/// The message for one place in the program, which `part` is a part of.
pub(crate) fn at(code: &str, part: &str, text: &str) -> String {
    first(code, [(offset(code, part), text.to_owned())].into_iter())
}

/// The message for the first error in the order of the program, and how many more there are.
fn first(code: &str, errors: impl Iterator<Item = (usize, String)>) -> String {
    let mut errors: Vec<_> = errors.collect();
    errors.sort_by_key(|(at, _)| *at);
    let more = match errors.len() {
        0 | 1 => String::new(),
        2 => " (and 1 error more)".to_owned(),
        count => format!(" (and {} errors more)", count - 1),
    };
    match errors.into_iter().next() {
        Some((at, text)) => located(code, at, &format!("{text}{more}")),
        None => "program: it does not compile".to_owned(),
    }
}

fn located(code: &str, at: usize, text: &str) -> String {
    // What is missing at the end is missing after the last character, not in the empty line below it.
    let end = code.trim_end().len();
    let at = at.min(end);
    let start = code[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = code[start..].lines().next().unwrap_or_default();
    let number = code[..at].matches('\n').count() + 1;
    let column = code[start..at].chars().count();
    // A long line is shown around the place.
    let skipped = if column > SHOWN - 20 { column - SHOWN / 2 } else { 0 };
    let shown: String = line.chars().skip(skipped).take(SHOWN).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let margin = number.to_string();
    let indent = " ".repeat(margin.len() + 5 + column - skipped);
    format!("program: line {number}, column {}: {text}\n  {margin} | {shown}\n{indent}^", column + 1)
}

/// Where `part` starts in `whole`; the end, if it is not a part of it.
fn offset(whole: &str, part: &str) -> usize {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    start.min(whole.len())
}

fn lex_text(code: &str, expected: lex::Expect<&str>, found: &str) -> String {
    let found = found.chars().next().map_or("the end of the program".to_owned(), |c| format!("`{c}`"));
    match expected {
        lex::Expect::Delim(open) => {
            let close = match open {
                "(" => "`)`",
                "[" => "`]`",
                "{" => "`}`",
                _ => "`\"`",
            };
            let before = &code[..offset(code, open)];
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let line = before.matches('\n').count() + 1;
            format!("expected {close} for the `{open}` of line {line}, column {column}, but found {found}")
        }
        lex::Expect::Digit => format!("expected a digit, but found {found}"),
        lex::Expect::Ident => format!("expected a name, but found {found}"),
        lex::Expect::Escape => {
            format!("expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u \\(, but found {found}")
        }
        lex::Expect::Unicode => format!("expected four hexadecimal digits of a character, but found {found}"),
        _ => format!("{found} is no part of jq"),
    }
}

fn parse_text(expected: &Expect<&str>, found: &str) -> String {
    if matches!(expected, Expect::Nothing) && matches!(found, "include" | "import" | "module") {
        return format!("`{found}` does not exist here: a program is one text, without modules");
    }
    let expected = match expected {
        Expect::Just("") | Expect::Nothing => "a definition, such as `def uplink: .;`".to_owned(),
        Expect::Just(token) => format!("`{token}`"),
        Expect::Var => "a variable, such as `$x`".to_owned(),
        Expect::Pattern => "a variable, `[` or `{`".to_owned(),
        Expect::ElseOrEnd => "`elif`, `else` or `end`".to_owned(),
        Expect::CommaOrRBrack => "`,` or `]`".to_owned(),
        Expect::CommaOrRBrace => "`,` or `}`".to_owned(),
        Expect::SemicolonOrRParen => "`;` or `)`".to_owned(),
        Expect::Term => "a filter, such as `.payload`".to_owned(),
        Expect::Key => "the name of a member".to_owned(),
        Expect::Ident => "a name".to_owned(),
        Expect::Arg => "the name of an argument".to_owned(),
        Expect::Str => "a string".to_owned(),
        other => other.as_str().to_owned(),
    };
    match found {
        "" => format!("expected {expected}, but found the end of the program"),
        found => format!("expected {expected}, but found `{}`", shorten(found, 20)),
    }
}

fn undefined_text(name: &str, undefined: &Undefined) -> String {
    if let Some(why) = why_absent(name) {
        return format!("`{name}` does not exist here: {why}");
    }
    match undefined {
        Undefined::Filter(count) => {
            let arguments = match count {
                0 => "without arguments".to_owned(),
                1 => "with 1 argument".to_owned(),
                count => format!("with {count} arguments"),
            };
            let others: Vec<_> = arities(name).iter().map(usize::to_string).collect();
            let hint =
                if others.is_empty() { String::new() } else { format!("; `{name}` takes {}", others.join(" or ")) };
            format!("there is no filter `{name}` {arguments}{hint}")
        }
        Undefined::Var => format!("there is no variable `{name}`"),
        Undefined::Label => format!("there is no label `{name}`"),
        Undefined::Mod => format!("there is no module `{name}`: a program is one text, without modules"),
        other => format!("there is no {} `{name}`", other.as_str()),
    }
}

/// The start of a text, in one line.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= limit {
        return line.to_owned();
    }
    let start: String = line.chars().take(limit).collect();
    format!("{start}…")
}
