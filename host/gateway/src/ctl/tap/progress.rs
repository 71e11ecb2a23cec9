//! How many messages have passed, on standard error.

use serde::Deserialize;
use std::collections::HashSet;
use std::io::Write;
use std::time::{Duration, Instant};

/// Between two updates of the count.
const INTERVAL: Duration = Duration::from_secs(1);

/// What counts, of any event.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Counted {
    charge_point: Option<String>,
    #[serde(default)]
    missed: u64,
}

/// Counts events, and says on standard error how many there are.
pub(super) struct Progress<W> {
    to: W,
    /// When the line with the count so far is written again, if there is one.
    next_update: Option<Instant>,
    /// Whether the live line is on the terminal.
    is_shown: bool,
    started: Instant,
    pub(super) messages: u64,
    charge_points: HashSet<String>,
    missed: u64,
}

impl<W: Write> Progress<W> {
    pub(super) fn new(to: W, is_live: bool) -> Self {
        let started = Instant::now();
        let (next_update, charge_points) = (is_live.then_some(started), HashSet::new());
        Progress { to, next_update, is_shown: false, started, messages: 0, charge_points, missed: 0 }
    }

    /// Writes the count so far over the last one, if that is due, and returns when that is due again.
    pub(super) fn update(&mut self) -> Option<Instant> {
        let next = self.next_update?;
        if Instant::now() < next {
            return Some(next);
        }
        self.show();
        self.next_update = Some(Instant::now() + INTERVAL);
        self.next_update
    }

    pub(super) fn count(&mut self, name: &str, event: Counted) {
        match name {
            "message" => {
                self.messages += 1;
                self.charge_points.extend(event.charge_point);
            }
            "missed" => {
                self.missed += event.missed;
                let missed = counted(event.missed, "line");
                let problem = "what reads the stream is too slow: choose fewer messages, or --no-payload";
                self.say(&format!("missed {missed}: {problem}"));
            }
            _ => {}
        }
    }

    fn show(&mut self) {
        let seconds = self.started.elapsed().as_secs();
        let elapsed = match seconds / 3600 {
            0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
            hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
        };
        self.is_shown = true;
        // The rest of a longer line before it is erased.
        self.write(&format!("\r{}, {elapsed}\x1b[K", counted(self.messages, "message")));
    }

    /// Writes a line of its own.
    pub(super) fn say(&mut self, line: &str) {
        let erase = if std::mem::take(&mut self.is_shown) { "\r\x1b[K" } else { "" };
        self.write(&format!("{erase}{line}\n"));
    }

    /// If standard error cannot be written to, nothing is left to say so with.
    fn write(&mut self, text: &str) {
        let _ = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
    }

    /// Writes what there was in all.
    pub(super) fn finish(&mut self) {
        let charge_points = counted(self.charge_points.len() as u64, "charge point");
        let missed = grouped(self.missed);
        self.say(&format!("{} from {charge_points}; {missed} missed", counted(self.messages, "message")));
    }
}

/// A number with what it counts.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        let shown = [0, 999, 1_000, 12_345_678].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([counted(1, "message"), counted(2, "message")], ["1 message", "2 messages"]);
    }

    #[test]
    fn live_line_is_erased_before_the_next_line() {
        let mut text = Vec::new();
        let mut progress = Progress::new(&mut text, true);
        progress.count("message", Counted { charge_point: Some("CP1".into()), missed: 0 });
        assert!(progress.update() > Some(progress.started));
        progress.count("missed", Counted { charge_point: None, missed: 1200 });
        progress.finish();
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].split(": ").next(), Some("\r1 message, 00:00\x1b[K\r\x1b[Kmissed 1,200 lines"), "{text:?}");
        assert_eq!(lines[1], "1 message from 1 charge point; 1,200 missed");
    }
}
