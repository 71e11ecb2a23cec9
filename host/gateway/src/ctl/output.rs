//! What the commands print: text for people, or JSON as the API has sent it.

use crate::operations::log::printable;
use std::io::{self, Write};

/// Standard output. Errors are returned: a reader such as `head` may have enough before the end.
pub(super) struct Output<W> {
    to: W,
    pub(super) json: bool,
    pub(super) is_terminal: bool,
}

impl<W: Write> Output<W> {
    pub(super) fn new(to: W, json: bool) -> Self {
        Output { to, json, is_terminal: false }
    }

    /// Writes a line as it is, in one go, so that it is never half a line: neither for a reader nor after the end.
    pub(super) fn line(&mut self, line: String) -> io::Result<()> {
        self.to.write_all((line + "\n").as_bytes())?;
        self.to.flush()
    }

    /// Writes text of the gateway and of others, as one line or several.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{}", printable(text.trim_end()))
    }

    /// Writes JSON as it is.
    pub(super) fn json(&mut self, json: &str) -> io::Result<()> {
        writeln!(self.to, "{}", json.trim_end())
    }

    /// Writes names with their values, the values below each other.
    pub(super) fn pairs(&mut self, pairs: &[(&str, String)]) -> io::Result<()> {
        let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        pairs.iter().try_for_each(|(name, value)| writeln!(self.to, "{name:width$}  {}", cell(value)))
    }

    /// Writes a table whose columns are as wide as their longest value.
    pub(super) fn table<const N: usize>(&mut self, head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
        let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|value| cell(value))).collect();
        let lines = || std::iter::once(head).chain(rows.iter().map(|row| row.each_ref().map(String::as_str)));
        let widths: [usize; N] =
            std::array::from_fn(|column| lines().map(|line| line[column].chars().count()).max().unwrap_or_default());
        for line in lines() {
            let cells = line.iter().zip(widths).map(|(value, width)| format!("{value:width$}"));
            writeln!(self.to, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Writes warnings of the gateway to standard error.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        // The result matters more than that.
        let _ = writeln!(io::stderr(), "warning: {}", printable(warning));
    }
}

/// A value in a line of its own, or of a table.
pub(super) fn cell(value: &str) -> String {
    printable(value).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_value_and_values_add_no_lines() {
        let mut text = Vec::new();
        let mut output = Output::new(&mut text, false);
        let row = |id: &str, state: &str| [id.to_owned(), "x".to_owned(), state.to_owned()];
        output.table(["ID", "VERSION", "STATE"], &[row("Säule", "ok"), row("a\nb\x1b[31m", "")]).expect("written");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text, "ID              VERSION  STATE\nSäule           x        ok\na\\nb\\u{1b}[31m  x\n");
    }
}
