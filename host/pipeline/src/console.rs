//! What a component prints, in lines.

use crate::abi::Level;
use crate::guest_log::LONGEST;

/// A standard stream that a component writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardStream {
    Output,
    Error,
}

impl StandardStream {
    fn level(self) -> Level {
        match self {
            StandardStream::Output => Level::Info,
            StandardStream::Error => Level::Warn,
        }
    }
}

/// The lines that have been begun. Interpreters write one in several pieces.
#[derive(Default)]
pub(crate) struct Console {
    /// By [`StandardStream`].
    begun: [Vec<u8>; 2],
}

impl Console {
    /// Takes the next piece of a stream; hands each line that it ends to `log`.
    pub(crate) fn write(&mut self, stream: StandardStream, bytes: &[u8], mut log: impl FnMut(Level, String)) {
        let begun = &mut self.begun[stream as usize];
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            // One byte more than the log shows, so that the log shows that something is missing.
            let room = (LONGEST + 1).saturating_sub(begun.len());
            begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                end_line(begun, |line| log(stream.level(), line));
            }
        }
    }

    /// Whether there is a line that was begun and not ended.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.iter().any(|line| !line.is_empty())
    }

    /// Ends the lines that were begun.
    pub(crate) fn flush(&mut self, mut log: impl FnMut(Level, String)) {
        for stream in [StandardStream::Output, StandardStream::Error] {
            end_line(&mut self.begun[stream as usize], |line| log(stream.level(), line));
        }
    }
}

/// Empty lines are for the eye on a terminal.
fn end_line(begun: &mut Vec<u8>, log: impl FnOnce(String)) {
    let line = String::from_utf8_lossy(begun.trim_ascii_end()).into_owned();
    begun.clear();
    if !line.is_empty() {
        log(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[(StandardStream, &[u8])]) -> Vec<(Level, String)> {
        let (mut console, mut lines) = (Console::default(), Vec::new());
        pieces
            .iter()
            .for_each(|(stream, bytes)| console.write(*stream, bytes, |level, line| lines.push((level, line))));
        console.flush(|level, line| lines.push((level, line)));
        lines
    }

    #[test]
    fn pieces_become_lines() {
        let got = lines(&[
            (StandardStream::Error, b"Trace"),
            (StandardStream::Output, b"hello\n\nworld\r\n"),
            (StandardStream::Error, b"back:\n  File"),
            (StandardStream::Error, b""),
        ]);
        let expected =
            [(Level::Info, "hello"), (Level::Info, "world"), (Level::Warn, "Traceback:"), (Level::Warn, "  File")];
        assert_eq!(got, expected.map(|(level, line)| (level, line.to_owned())));
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let got = lines(&vec![(StandardStream::Output, &[b'x'; 1000][..]); 1000]);
        assert_eq!(got.iter().map(|(_, line)| line.len()).collect::<Vec<_>>(), [LONGEST + 1]);
    }
}
