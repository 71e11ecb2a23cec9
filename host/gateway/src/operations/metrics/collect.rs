//! Metrics whose values are kept elsewhere, and read when the page is requested.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use std::fmt;

/// A collector that is a function.
struct FnCollector<F>(F);

impl<F> fmt::Debug for FnCollector<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnCollector").finish_non_exhaustive()
    }
}

impl<F: Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static> Collector for FnCollector<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut encoder)
    }
}

/// A collector that calls `write`.
pub(crate) fn collector(
    write: impl Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
) -> Box<dyn Collector> {
    Box::new(FnCollector(write))
}

/// Writes a metric that has one value.
pub(crate) fn write<V: EncodeMetric + TypedMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: V,
) -> fmt::Result {
    value.encode(encoder.encode_descriptor(name, help, None, V::TYPE)?)
}

/// Writes a metric that has a value for each of these sets of labels.
pub(crate) fn write_family<L: EncodeLabelSet, V: EncodeMetric + TypedMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, V::TYPE)?;
    values.into_iter().try_for_each(|(labels, value)| value.encode(family.encode_family(&labels)?))
}
