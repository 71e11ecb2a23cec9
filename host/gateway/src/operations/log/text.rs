//! Fields of events as text. No value can look like another line, or send escape sequences to the terminal.
//!
//! `tracing-subscriber` escapes some sequences, in messages only, and passes line breaks.

use super::lengths::{MAX_MESSAGE, MESSAGE, longest};
use ocpp_gateway_core::characters::is_unprintable;
use ocpp_gateway_pipeline::LogFields;
use std::error::Error;
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes the message, and `name=value` for each field.
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = TextVisitor { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct TextVisitor<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl TextVisitor<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.write_up_to(longest(field.name()), field, value);
    }

    fn write_up_to(&mut self, most: usize, field: &Field, value: fmt::Arguments<'_>) {
        // The origin of a record of the `log` crate, which the line contains anyway.
        if self.result.is_err() || field.name().starts_with("log.") {
            return;
        }
        self.result = self.try_write(field.name(), value, most);
    }

    fn try_write(&mut self, name: &str, value: fmt::Arguments<'_>, most: usize) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        if name != MESSAGE {
            let name = name.trim_start_matches("r#");
            if self.writer.has_ansi_escapes() {
                write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
            } else {
                write!(self.writer, "{name}=")?;
            }
        }
        write_cut(&mut self.writer, value, most, Unprintable::Escape)
    }
}

impl Visit for TextVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.write(field, format_args!("{value}"));
        } else {
            // Cut before quoting, which would go through the whole value: 270 KB for 512 characters.
            self.write(field, format_args!("{:?}", start(value, longest(field.name()))));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        match value.downcast_ref::<LogFields>() {
            Some(fields) => self.write_up_to(MAX_MESSAGE, field, format_args!("{{{fields}}}")),
            None => self.write(field, format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

/// At most one character more than `most`, so that the cut is still marked.
fn start(text: &str, most: usize) -> &str {
    text.char_indices().nth(most + 1).map_or(text, |(end, _)| &text[..end])
}

/// What to do with characters that would not show, or would rearrange the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unprintable {
    Escape,
    Keep,
}

/// Writes at most `most` characters of a value, and `…` for the rest. Formatting stops there, so a long value costs no
/// more.
pub(super) fn write_cut(
    to: &mut dyn fmt::Write,
    value: fmt::Arguments<'_>,
    most: usize,
    unprintable: Unprintable,
) -> fmt::Result {
    let mut cut = CutWriter { to, left: most, is_cut: false, unprintable };
    match cut.write_fmt(value) {
        Err(_) if cut.is_cut => Ok(()),
        written => written,
    }
}

struct CutWriter<'a> {
    to: &'a mut dyn fmt::Write,
    left: usize,
    is_cut: bool,
    unprintable: Unprintable,
}

impl fmt::Write for CutWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let mut written = 0;
        for (at, character) in text.char_indices() {
            if self.left == 0 {
                self.is_cut = true;
                self.to.write_str(&text[written..at])?;
                self.to.write_char('…')?;
                return Err(fmt::Error);
            }
            self.left -= 1;
            if self.unprintable == Unprintable::Escape && is_unprintable(character) {
                self.to.write_str(&text[written..at])?;
                write!(self.to, "{}", character.escape_default())?;
                written = at + character.len_utf8();
            }
        }
        self.to.write_str(&text[written..])
    }
}

/// Text of others for a terminal: every line of it, with what a line must not contain as escape sequences.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_unprintable(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::super::lengths::MAX_VALUE;
    use super::super::tests::written;
    use super::*;
    use tracing::info;

    fn lines(event: impl FnOnce()) -> String {
        written(tracing_subscriber::fmt::layer().fmt_fields(TextFields).without_time().with_ansi(false), event)
    }

    const FORGED: &str = "x\r\n2026-11-29T08:00:00Z  INFO \x1b[31mforged\u{9b}2J\u{2028}\u{202e}\t\0\x7f";

    #[test]
    fn values_cannot_add_lines_or_send_escape_sequences() {
        let text = lines(|| {
            info!(message_id = FORGED, charge_point = %FORGED, action = ?FORGED, "{FORGED}");
            info!("{}", FORGED);
            info!(error = &std::io::Error::other(FORGED) as &(dyn Error + 'static), "an error");
        });
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.chars().any(|it| it != '\n' && is_unprintable(it)), "{text:?}");
        assert_eq!(text.matches("forged").count(), 6, "{text}");
        assert!(text.contains(r"charge_point=x\r\n2026"), "{text}");
    }

    #[test]
    fn long_values_are_cut() {
        let long = "ä".repeat(270_000);
        let text = lines(|| info!(message_id = long, charge_point = %long, action = ?long, short = "y", "{long}"));
        assert!(text.len() < 12_000, "{} bytes", text.len());
        assert!(text.contains("short=\"y\"") && text.matches('…').count() == 4, "{text}");
    }

    #[test]
    fn short_values_are_unchanged() {
        let value = "ä".repeat(MAX_VALUE);
        let text = lines(|| info!(charge_point = %value, number = 7, message_id = "a\"b", "it said: {}", "\"ü\" \\n"));
        let expected = format!("it said: \"ü\" \\n charge_point={value} number=7 message_id=\"a\\\"b\"\n");
        assert!(text.ends_with(&expected), "{text}");
    }

    #[test]
    fn fields_of_a_transform_are_separate_from_those_of_the_gateway() {
        let fields = LogFields::new(vec![("code".into(), FORGED.into()), ("a b=".into(), "1".into())]);
        let text = lines(|| info!(fields = &fields as &(dyn Error + 'static), "said"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(r#"fields={code="x\r\n"#) && text.ends_with("\"a b=\"=\"1\"}\n"), "{text}");
    }
}
