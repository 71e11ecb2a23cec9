//! Reads the messages of a recording, line by line: a recording may be larger than the memory.

use super::replayable::{LineContent, ReplayMessage};
use super::skipped::SkippedLines;
use std::io::{self, BufRead, Read as _};

/// The longest line, in bytes.
pub const MAX_LINE: usize = 64 << 20;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("line {line}: {error}")]
    Io { line: u64, error: io::Error },
    #[error("line {line} is longer than {limit} bytes: a recording is JSON, one object a line")]
    LongLine { line: u64, limit: usize },
    #[error("{0}")]
    NothingToReplay(String),
}

/// A recording from its beginning. Its memory is that of the longest line.
pub struct Reader<R> {
    input: R,
    /// The latest line, with its end.
    buffer: Vec<u8>,
    /// Its number, from 1.
    line: u64,
    limit: usize,
    /// Whether the latest line is to be read once more.
    again: bool,
    messages: u64,
    bytes: u64,
    skipped: SkippedLines,
}

/// The next line of a recording.
#[derive(Debug)]
pub enum NextLine<'a> {
    Message(Box<ReplayMessage<'a>>),
    /// Another line, which is counted.
    Skipped,
    End,
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R) -> Self {
        Reader {
            input,
            buffer: Vec::new(),
            line: 0,
            limit: MAX_LINE,
            again: false,
            messages: 0,
            bytes: 0,
            skipped: SkippedLines::default(),
        }
    }

    /// Reads a line. One without content is skipped and not counted.
    pub fn next_line(&mut self) -> Result<NextLine<'_>, ReadError> {
        if !std::mem::take(&mut self.again) && !self.read_line()? {
            return Ok(NextLine::End);
        }
        let Self { buffer, line, messages, skipped, .. } = self;
        let text = buffer.trim_ascii();
        if text.is_empty() {
            return Ok(NextLine::Skipped);
        }
        match LineContent::parse(text, *line) {
            LineContent::Message(message) => {
                *messages += 1;
                Ok(NextLine::Message(message))
            }
            LineContent::NotJson(_) if !buffer.ends_with(b"\n") => {
                skipped.cut = Some(*line);
                Ok(NextLine::Skipped)
            }
            other => {
                skipped.note(*line, other);
                Ok(NextLine::Skipped)
            }
        }
    }

    /// Whether there was another line.
    fn read_line(&mut self) -> Result<bool, ReadError> {
        self.buffer.clear();
        self.line += 1;
        let Self { input, buffer, line, limit, .. } = self;
        // One byte more than allowed shows that there is more.
        let read = input.take(*limit as u64 + 1).read_until(b'\n', buffer);
        let read = read.map_err(|error| ReadError::Io { line: *line, error })?;
        if buffer.len() > *limit && !buffer.ends_with(b"\n") {
            return Err(ReadError::LongLine { line: *line, limit: *limit });
        }
        self.bytes += read as u64;
        Ok(read > 0)
    }

    /// Reads up to the first message, which [`Reader::next_line`] returns again. A recording without messages is an error.
    pub fn find_first(&mut self) -> Result<ReplayMessage<'_>, ReadError> {
        loop {
            match self.next_line()? {
                NextLine::Message(_) => break,
                NextLine::Skipped => {}
                NextLine::End => return Err(ReadError::NothingToReplay(self.skipped.nothing_to_replay())),
            }
        }
        self.messages -= 1;
        self.again = true;
        match LineContent::parse(self.buffer.trim_ascii(), self.line) {
            LineContent::Message(message) => Ok(*message),
            _ => Err(ReadError::NothingToReplay(self.skipped.nothing_to_replay())),
        }
    }

    /// Fails if no message could be read.
    pub fn check_any(&self) -> Result<(), ReadError> {
        if self.messages == 0 { Err(ReadError::NothingToReplay(self.skipped.nothing_to_replay())) } else { Ok(()) }
    }

    /// The bytes that were read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The messages that were read so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The lines that were skipped so far.
    pub fn skipped(&self) -> &SkippedLines {
        &self.skipped
    }

    /// Counts the latest line, which is that of a message, among those that cannot be read.
    pub fn note_unreadable(&mut self, reason: String) {
        self.messages -= 1;
        self.skipped.note_unreadable(self.line, reason);
    }
}

#[cfg(test)]
mod tests;
