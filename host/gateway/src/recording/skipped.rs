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
    /// Of the first: its version, or the reason.
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
                "line {first} has version {about} of the format, and this program reads version {FORMAT}: replay it \
                 with the version of ocpp-gateway that has recorded it, or a later one"
            );
        }
        if self.without_payload > 0 {
            return format!(
                "it has {} and no payload, without which none can be replayed: record with `ocpp-gateway ctl tap` \
                 without --no-payload",
                counted(self.without_payload, "message")
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
        let unreadable = self.unreadable.as_ref().map(|LinesOf { count, first, about }| {
            format!("cannot read {}, from line {first} on: {about}", counted(*count, "line"))
        });
        let newer = self.newer.as_ref().map(|LinesOf { count, first, about }| {
            format!(
                "skipped {} of a newer format, from line {first} on, which has version {about}: this program reads \
                 version {FORMAT}",
                counted(*count, "line")
            )
        });
        let cut = self.cut.map(|line| format!("the recording is cut in its last line, line {line}"));
        let without = (self.without_payload > 0)
            .then(|| format!("{} without a payload cannot be replayed", counted(self.without_payload, "message")));
        let missed = (self.missed > 0)
            .then(|| format!("the recording misses {}: its reader was too slow", counted(self.missed, "message")));
        [unreadable, newer, cut, without, missed].into_iter().flatten().collect()
    }
}

/// `1 line`, `2 lines`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
