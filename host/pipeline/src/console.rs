//! Splits what a component prints into log lines.

use crate::abi::Level;
use crate::guest_log::MAX_LENGTH;

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

/// The incomplete lines of both streams: interpreters write a line in several pieces.
#[derive(Default)]
pub(crate) struct Console {
    /// Indexed by [`StandardStream`].
    incomplete: [Vec<u8>; 2],
}

impl Console {
    /// Takes the next piece of a stream, and passes each line that it completes to `log`.
    pub(crate) fn write(&mut self, stream: StandardStream, bytes: &[u8], mut log: impl FnMut(Level, String)) {
        let line = &mut self.incomplete[stream as usize];
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            // One byte more than the log shows, so that the log marks the line as cut.
            let room = (MAX_LENGTH + 1).saturating_sub(line.len());
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                end_line(line, |line| log(stream.level(), line));
            }
        }
    }

    /// Whether a line is incomplete.
    pub(crate) fn has_incomplete_line(&self) -> bool {
        self.incomplete.iter().any(|line| !line.is_empty())
    }

    /// Logs the incomplete lines.
    pub(crate) fn flush(&mut self, mut log: impl FnMut(Level, String)) {
        for stream in [StandardStream::Output, StandardStream::Error] {
            end_line(&mut self.incomplete[stream as usize], |line| log(stream.level(), line));
        }
    }
}

/// Logs a line and clears the buffer. Empty lines, which are for terminals, are skipped.
fn end_line(bytes: &mut Vec<u8>, log: impl FnOnce(String)) {
    let line = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    bytes.clear();
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
    fn pieces_are_joined_into_lines() {
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
    fn endless_line_is_cut_and_takes_no_more_memory() {
        let got = lines(&vec![(StandardStream::Output, &[b'x'; 1000][..]); 1000]);
        assert_eq!(got.iter().map(|(_, line)| line.len()).collect::<Vec<_>>(), [MAX_LENGTH + 1]);
    }
}
