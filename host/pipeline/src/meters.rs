//! Numbers that transforms report, for the gateway's metrics.

use ocpp_gateway_core::Attributes;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many combinations of name and labels one transform may report.
const MAX_SERIES: usize = 200;
/// The longest name or label, in bytes.
const LONGEST: usize = 128;

/// Labels that the gateway adds.
const RESERVED: [&str; 2] = ["transform", "reading"];

/// What one transform has reported, over all of its instances and versions.
#[derive(Default)]
pub(crate) struct Meters(Mutex<Board>);

#[derive(Default)]
struct Board {
    readings: BTreeMap<(String, Attributes), Reading>,
    refused: u64,
}

/// The sum of what was counted or observed under one name and set of labels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// How often something was reported.
    pub count: u64,
    pub sum: f64,
    /// Whether it is a counter. Otherwise it is a distribution.
    pub is_counter: bool,
}

impl Meters {
    pub(crate) fn count(&self, name: String, by: u32, labels: Attributes) {
        self.report(name, labels, f64::from(by), true);
    }

    pub(crate) fn observe(&self, name: String, value: f64, labels: Attributes) {
        self.report(name, labels, value, false);
    }

    fn report(&self, name: String, labels: Attributes, value: f64, is_counter: bool) {
        let mut board = self.lock();
        let legal = is_legal(&name, &labels) && value.is_finite();
        let full = board.readings.len() >= MAX_SERIES;
        let key = (name, labels);
        if !legal || (full && !board.readings.contains_key(&key)) {
            board.refused += 1;
            return;
        }
        let reading = board.readings.entry(key).or_insert(Reading { is_counter, ..Reading::default() });
        if reading.is_counter == is_counter {
            reading.count += 1;
            reading.sum += value;
        } else {
            board.refused += 1;
        }
    }

    /// Everything by name and labels.
    pub(crate) fn readings(&self) -> Vec<(String, Attributes, Reading)> {
        let board = self.lock();
        board.readings.iter().map(|((name, labels), reading)| (name.clone(), labels.clone(), *reading)).collect()
    }

    /// How many reports were not taken: too many series, or a name that Prometheus does not allow.
    pub(crate) fn refused(&self) -> u64 {
        self.lock().refused
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_legal(name: &str, labels: &Attributes) -> bool {
    let is_name = |text: &str| {
        text.len() <= LONGEST
            && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // The same label twice, or one of the gateway's own, would make the whole page illegal.
    let is_own = |label: &str| RESERVED.contains(&label) || label.starts_with("__");
    is_name(name)
        && labels.iter().enumerate().all(|(place, (label, value))| {
            let again = labels[..place].iter().any(|(earlier, _)| earlier == label);
            is_name(label) && !is_own(label) && !again && value.len() <= LONGEST
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_distributions_add_up() {
        let meters = Meters::default();
        let labels = vec![("vendor".to_owned(), "acme".to_owned())];
        meters.count("mended".into(), 2, labels.clone());
        meters.count("mended".into(), 1, labels.clone());
        meters.observe("wh".into(), 1.5, vec![]);
        let expected = [
            ("mended".to_owned(), labels, Reading { count: 2, sum: 3.0, is_counter: true }),
            ("wh".to_owned(), vec![], Reading { count: 1, sum: 1.5, is_counter: false }),
        ];
        assert_eq!(meters.readings(), expected);
    }

    #[test]
    fn what_prometheus_cannot_show_is_refused() {
        let meters = Meters::default();
        meters.count("mended things".into(), 1, vec![]);
        meters.count("mended".into(), 1, vec![("a-b".into(), "c".into())]);
        meters.observe("wh".into(), f64::NAN, vec![]);
        for labels in [&["transform"][..], &["reading"], &["__name__"], &["a", "a"]] {
            meters.count("mended".into(), 1, labels.iter().map(|&label| (label.into(), "c".into())).collect());
        }
        (0..MAX_SERIES + 3).for_each(|number| meters.count(format!("n{number}"), 1, vec![]));
        meters.observe("n0".into(), 1.0, vec![]);
        assert_eq!(meters.refused(), 11);
        assert_eq!(meters.readings().len(), MAX_SERIES);
    }
}
