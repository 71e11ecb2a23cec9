//! What a guest says in a call about what is wrong, before it gives up: the trap itself says nothing about it.

use crate::abi::Level;

/// The longest text that is kept, in bytes.
const MAX_LENGTH: usize = 512;

/// The latest error that a guest has logged or printed in a call, also if the log has too many lines to take it.
#[derive(Debug, Default)]
pub(crate) struct LastError(Option<String>);

impl LastError {
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Takes a line that the guest has logged.
    pub(crate) fn logged(&mut self, level: Level, message: &str) {
        if level == Level::Error {
            self.keep(message);
        }
    }

    /// Takes a line that the guest has printed. Interpreters print errors to standard error (`Warn`), with an indented
    /// line for each function on the stack: before the error in Python, after it in JavaScript.
    pub(crate) fn printed(&mut self, level: Level, line: &str) {
        let is_of_stack = line.starts_with(char::is_whitespace) || line.starts_with("Traceback (");
        if level == Level::Warn && !is_of_stack {
            self.keep(line);
        }
    }

    fn keep(&mut self, text: &str) {
        let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { return };
        let end = line.floor_char_boundary(MAX_LENGTH);
        let mark = if end < line.len() { "…" } else { "" };
        self.0 = Some(format!("{}{mark}", &line[..end]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: &[&str]) -> Option<String> {
        let mut error = LastError::default();
        lines.iter().for_each(|line| error.printed(Level::Warn, line));
        error.text().map(str::to_owned)
    }

    #[test]
    fn first_line_of_the_latest_error_is_kept() {
        let mut error = LastError::default();
        error.logged(Level::Warn, "odd");
        assert_eq!(error.text(), None);
        error.logged(Level::Error, "one\nmore");
        error.logged(Level::Error, "two\nmore");
        error.logged(Level::Info, "three");
        assert_eq!(error.text(), Some("two"));
        error.logged(Level::Error, &"é".repeat(1000));
        assert_eq!(error.text(), Some(&*("é".repeat(MAX_LENGTH / 2) + "…")));
    }

    #[test]
    fn error_of_an_interpreter_is_found_beside_its_stack() {
        let python = ["Traceback (most recent call last):", "  File \"a.py\", line 1", "KeyError: 'connectorId'"];
        assert_eq!(printed(&python).as_deref(), Some("KeyError: 'connectorId'"));
        let javascript = ["TypeError: x is undefined", "    at uplink (a.js:1:2)"];
        assert_eq!(printed(&javascript).as_deref(), Some("TypeError: x is undefined"));
        let mut error = LastError::default();
        error.printed(Level::Info, "to standard output");
        assert_eq!(error.text(), None);
    }
}
