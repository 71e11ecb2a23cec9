//! The metric of certificate expiry.

use crate::operations::metrics::collect::{collector, write_family};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::gauge::ConstGauge;
use std::time::{SystemTime, UNIX_EPOCH};

/// Days until certificates expire.
///
/// `read`: when each expires, in seconds since 1970, by its use.
pub fn certificate_metrics(read: impl Fn() -> Vec<(&'static str, i64)> + Send + Sync + 'static) -> Box<dyn Collector> {
    const DAY: f64 = 86_400.0;
    let help = "Days until a certificate expires, the first one of its file";
    collector(move |encoder| {
        let expiries = read();
        if expiries.is_empty() {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let days = expiries.into_iter().map(|(certificate, expires)| {
            ([("certificate", certificate)], ConstGauge::new((expires as f64 - now) / DAY))
        });
        write_family(encoder, "certificate_days_left", help, days)
    })
}
