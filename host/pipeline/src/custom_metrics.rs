//! Metrics that transforms report.

use crate::attributes;
use ocpp_gateway_core::Attributes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// How many combinations of name and labels one transform may report.
const MAX_SERIES: usize = 200;
/// The longest name or label, in bytes.
const MAX_NAME: usize = 128;
/// The most labels of one series.
const MAX_LABELS: usize = 16;
/// The most bytes of all names and labels of one transform: `/metrics` has each of them twice.
const MAX_BYTES: usize = 64 << 10;

/// Labels that the gateway adds.
const RESERVED: [&str; 2] = ["transform", "reading"];

/// What one transform has reported, over all of its instances and versions.
#[derive(Default)]
pub(crate) struct CustomMetrics(Mutex<MetricSeries>);

#[derive(Default)]
struct MetricSeries {
    /// By name and labels; the labels are sorted by name.
    readings: BTreeMap<(String, Attributes), Reading>,
    /// Size of all names and labels.
    bytes: usize,
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

impl CustomMetrics {
    pub(crate) fn count(&self, name: String, by: u32, labels: Attributes) {
        self.report(name, labels, f64::from(by), true);
    }

    pub(crate) fn observe(&self, name: String, value: f64, labels: Attributes) {
        self.report(name, labels, value, false);
    }

    fn report(&self, name: String, mut labels: Attributes, value: f64, is_counter: bool) {
        // Work that grows with the number of labels is done before the lock is taken.
        let legal = value.is_finite() && is_legal(&name, &mut labels);
        let bytes = name.len() + attributes::size(&labels);
        let series = &mut *self.0.lock();
        if !legal || !series.report((name, labels), bytes, value, is_counter) {
            series.refused += 1;
        }
    }

    /// All readings, by name and labels.
    pub(crate) fn readings(&self) -> Vec<(String, Attributes, Reading)> {
        let series = self.0.lock();
        series.readings.iter().map(|((name, labels), reading)| (name.clone(), labels.clone(), *reading)).collect()
    }

    /// The number of refused reports: too many or too long series, or a name that Prometheus does not allow.
    pub(crate) fn refused(&self) -> u64 {
        self.0.lock().refused
    }
}

impl MetricSeries {
    /// Returns whether the report was accepted: whether there is room for it, and it is of the same kind as before.
    fn report(&mut self, key: (String, Attributes), bytes: usize, value: f64, is_counter: bool) -> bool {
        let has_room = self.readings.len() < MAX_SERIES && self.bytes + bytes <= MAX_BYTES;
        let reading = match self.readings.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if !has_room => return false,
            Entry::Vacant(new) => {
                self.bytes += bytes;
                new.insert(Reading { is_counter, ..Reading::default() })
            }
        };
        let fits = reading.is_counter == is_counter;
        if fits {
            reading.count += 1;
            reading.sum += value;
        }
        fits
    }
}

/// Checks name and labels, and sorts the labels by name: their order makes no difference to Prometheus.
fn is_legal(name: &str, labels: &mut Attributes) -> bool {
    if labels.len() > MAX_LABELS {
        return false;
    }
    labels.sort_unstable();
    let is_name = |text: &str| {
        text.len() <= MAX_NAME
            && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // A duplicate label, or one that the gateway adds, would make the whole page illegal.
    let is_reserved = |label: &str| RESERVED.contains(&label) || label.starts_with("__");
    is_name(name)
        && labels.iter().all(|(label, value)| is_name(label) && !is_reserved(label) && value.len() <= MAX_NAME)
        && labels.windows(2).all(|pair| pair[0].0 != pair[1].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_distributions_add_up() {
        let custom_metrics = CustomMetrics::default();
        let labels = vec![("vendor".to_owned(), "acme".to_owned())];
        custom_metrics.count("mended".into(), 2, labels.clone());
        custom_metrics.count("mended".into(), 1, labels.clone());
        custom_metrics.observe("wh".into(), 1.5, vec![]);
        let expected = [
            ("mended".to_owned(), labels, Reading { count: 2, sum: 3.0, is_counter: true }),
            ("wh".to_owned(), vec![], Reading { count: 1, sum: 1.5, is_counter: false }),
        ];
        assert_eq!(custom_metrics.readings(), expected);
    }

    #[test]
    fn reports_that_prometheus_does_not_allow_are_refused() {
        let custom_metrics = CustomMetrics::default();
        custom_metrics.count("mended things".into(), 1, vec![]);
        custom_metrics.count("mended".into(), 1, vec![("a-b".into(), "c".into())]);
        custom_metrics.observe("wh".into(), f64::NAN, vec![]);
        for labels in [&["transform"][..], &["reading"], &["__name__"], &["a", "a"]] {
            custom_metrics.count("mended".into(), 1, labels.iter().map(|&label| (label.into(), "c".into())).collect());
        }
        (0..MAX_SERIES + 3).for_each(|number| custom_metrics.count(format!("n{number}"), 1, vec![]));
        custom_metrics.observe("n0".into(), 1.0, vec![]);
        assert_eq!(custom_metrics.refused(), 11);
        assert_eq!(custom_metrics.readings().len(), MAX_SERIES);
    }

    #[test]
    fn labels_are_limited_in_number_length_and_total_size() {
        let labels = |count: usize, length: usize| -> Attributes {
            (0..count).map(|number| (format!("label_{number}"), "x".repeat(length))).collect()
        };
        for (count, length, refused) in [(16, 128, 0), (17, 0, 1), (1, 129, 1), (9_000, 0, 1)] {
            let custom_metrics = CustomMetrics::default();
            custom_metrics.count("mended".into(), 1, labels(count, length));
            assert_eq!(custom_metrics.refused(), refused, "{count} of {length}");
        }
        let custom_metrics = CustomMetrics::default();
        (0..MAX_SERIES).for_each(|number| custom_metrics.count(format!("n{number}"), 1, labels(16, 128)));
        assert_eq!(custom_metrics.readings().len(), MAX_BYTES / (16 * (64 + 128 + 7)));
        // Reports for an existing series are still counted.
        custom_metrics.count("n0".into(), 1, labels(16, 128));
        assert_eq!(custom_metrics.readings()[0].2.count, 2);
    }

    #[test]
    fn order_of_labels_makes_no_difference() {
        let custom_metrics = CustomMetrics::default();
        let labels = |names: [&str; 2]| names.map(|name| (name.to_owned(), "x".to_owned())).to_vec();
        custom_metrics.count("mended".into(), 1, labels(["a", "b"]));
        custom_metrics.count("mended".into(), 1, labels(["b", "a"]));
        assert_eq!((custom_metrics.readings().len(), custom_metrics.readings()[0].2.count), (1, 2));
    }
}
