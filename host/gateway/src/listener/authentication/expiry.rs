//! The metric of certificate expiry.

use super::security::Security;
use crate::operations::metrics::collect::{collector, write_family};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Days until the certificates of `ocpp.tls` expire.
pub fn certificate_metrics(security: Arc<Security>) -> Box<dyn Collector> {
    const DAY: f64 = 86_400.0;
    let help = "Days until a certificate expires, the first one of its file";
    collector(move |encoder| {
        let Some(tls) = &security.tls else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let days = tls.expiries().into_iter().map(|(certificate, expires)| {
            ([("certificate", certificate)], ConstGauge::new((expires as f64 - now) / DAY))
        });
        write_family(encoder, "certificate_days_left", help, days)
    })
}
