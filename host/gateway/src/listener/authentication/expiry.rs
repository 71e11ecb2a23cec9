//! When certificates end, for whoever looks at `/metrics`.

use super::access::Security;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// When certificates of charge points' TLS end.
pub struct CertificateMetrics(pub Arc<Security>);

impl std::fmt::Debug for CertificateMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateMetrics").finish_non_exhaustive()
    }
}

impl Collector for CertificateMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        const DAY: f64 = 86_400.0;
        let Some(tls) = &self.0.tls else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let help = "Days until a certificate expires, the first one of its file";
        let mut family = encoder.encode_descriptor("certificate_days_left", help, None, MetricType::Gauge)?;
        for (certificate, expires) in tls.expiries() {
            let days = (expires as f64 - now) / DAY;
            family.encode_family(&[("certificate", certificate)])?.encode_gauge(&days)?;
        }
        Ok(())
    }
}
