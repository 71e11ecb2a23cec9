//! The lines of a recording that a replay skips.

use super::line::FORMAT;
use super::replayable::LineContent;

/// What of a recording could not be replayed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SkippedLines {
    /// Lines of events without messages.
    pub events: u64,
    /// Messages that were missed when it was recorded.
    pub missed: u64,
    pub without_payload: u64,
    /// Lines of a newer format. Its version is that of the first.
    pub newer: Option<LinesOf<u32>>,
    /// Lines that cannot be read, and why the first cannot.
    pub unreadable: Option<LinesOf<String>>,
    /// The number of the last line, if it ends in the middle.
    pub cut: Option<u64>,
}

/// Lines of one kind.
#[derive(Debug, PartialEq, Eq)]
pub struct LinesOf<T> {
    pub count: u64,
    /// The number of the first, from 1.
    pub first: u64,
    /// What is to be said about the first.
    pub about: T,
}

impl<T> LinesOf<T> {
    fn note(lines: &mut Option<Self>, line: u64, about: T) {
        match lines {
            Some(lines) => lines.count += 1,
            None => *lines = Some(LinesOf { count: 1, first: line, about }),
        }
    }
}

impl SkippedLines {
    pub fn note_unreadable(&mut self, line: u64, reason: String) {
        LinesOf::note(&mut self.unreadable, line, reason);
    }

    pub(super) fn note(&mut self, line: u64, content: LineContent<'_>) {
        match content {
            LineContent::Message(_) => {}
            LineContent::WithoutPayload => self.without_payload += 1,
            LineContent::Missed(count) => self.missed = self.missed.saturating_add(count),
            LineContent::OtherEvent => self.events += 1,
            LineContent::Newer(format) => LinesOf::note(&mut self.newer, line, format),
            LineContent::NotJson(reason) | LineContent::Unreadable(reason) => self.note_unreadable(line, reason),
        }
    }

    /// Why no message at all could be replayed, and what to do.
    pub(super) fn nothing_to_replay(&self) -> String {
        if let Some(LinesOf { first, about, .. }) = &self.newer {
            return format!(
                "line {first} has version {about} of the format, and this program reads version {FORMAT}: replay it with \
                 the version of ocpp-gateway that has recorded it, or a later one"
            );
        }
        if self.without_payload > 0 {
            return format!(
                "its {} messages have no payloads, without which they cannot be replayed: record with \
                 `ocpp-gateway ctl tap` without --no-payload",
                self.without_payload
            );
        }
        if let Some(LinesOf { first, about, .. }) = &self.unreadable {
            return format!("line {first}: {about}; a recording is what `ocpp-gateway ctl tap` prints");
        }
        if self.events > 0 || self.missed > 0 {
            return "it has no messages: record for longer, for example with `ocpp-gateway ctl tap --for 10m`".into();
        }
        if let Some(line) = self.cut {
            return format!("line {line}, its only one, is not complete: record for longer");
        }
        "it is empty: a recording is what `ocpp-gateway ctl tap` prints".into()
    }

    /// What a user should know of it, a sentence for each.
    pub fn notes(&self) -> Vec<String> {
        let lines = |count: u64| if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
        let unreadable = self.unreadable.as_ref().map(|LinesOf { count, first, about }| {
            format!("{} cannot be read, from line {first} on: {about}", lines(*count))
        });
        let newer = self.newer.as_ref().map(|LinesOf { count, first, about }| {
            format!(
                "{} of a newer format were skipped, from line {first} on, which has version {about}: this program reads \
                 version {FORMAT}",
                lines(*count)
            )
        });
        let cut = self.cut.map(|line| format!("the recording is cut in its last line, line {line}"));
        let without = (self.without_payload > 0).then(|| {
            format!("{} messages were recorded without payloads, and cannot be replayed", self.without_payload)
        });
        let missed = (self.missed > 0)
            .then(|| format!("{} messages are not in the recording: they came too fast for it", self.missed));
        [unreadable, newer, cut, without, missed].into_iter().flatten().collect()
    }
}
