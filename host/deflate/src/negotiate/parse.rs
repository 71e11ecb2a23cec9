//! The list of a `Sec-WebSocket-Extensions` line (RFC 6455 section 9.1).

use std::borrow::Cow;

/// A name with parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// A name, and the value after `=` without its quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<Cow<'a, str>>,
}

/// The elements of a line. `None`: a malformed element. Empty elements are skipped (RFC 9110 section 5.6.1).
pub(super) fn extensions(line: &str) -> impl Iterator<Item = Option<Extension<'_>>> {
    split(line, ',').filter(|element| !element.trim().is_empty()).map(extension)
}

fn extension(element: &str) -> Option<Extension<'_>> {
    let mut parts = split(element, ';');
    let name = token(parts.next()?)?;
    Some(Extension { name, parameters: parts.map(parameter).collect::<Option<_>>()? })
}

fn parameter(text: &str) -> Option<Parameter<'_>> {
    let Some((name, value)) = text.split_once('=') else {
        return Some(Parameter { name: token(text)?, value: None });
    };
    Some(Parameter { name: token(name)?, value: Some(value_of(value.trim())?) })
}

/// A token, or a quoted string that contains a token.
fn value_of(text: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = text.strip_prefix('"') else { return token(text).map(Cow::Borrowed) };
    let quoted = rest.strip_suffix('"')?;
    if !quoted.contains('\\') {
        return token(quoted).filter(|token| *token == quoted).map(Cow::Borrowed);
    }
    let mut characters = quoted.chars();
    let mut value = String::new();
    while let Some(character) = characters.next() {
        value.push(if character == '\\' { characters.next()? } else { character });
    }
    value.bytes().all(is_token).then_some(Cow::Owned(value))
}

/// A token with spaces around it.
fn token(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t']);
    (!text.is_empty() && text.bytes().all(is_token)).then_some(text)
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Splits at `separator` outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |character| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => is_escaped = true,
            _ => {}
        }
        character == separator && !is_quoted
    })
}
