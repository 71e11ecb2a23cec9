//! When certificates and revocation lists end: the one list that metrics, the log and the admin API show.

use super::files::certificates;
use crate::operations::events::rfc3339;
use crate::operations::metrics::collect::{collector, write_family};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::{error, warn};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// In seconds.
const DAY: i64 = 86_400;

/// From this long before its end a certificate is to be renewed: it takes some authorities weeks to issue the next one.
const RENEWAL_TIME: i64 = 30 * DAY;

/// Certificates that last less than this are renewed by programs. They are to be renewed when a third of their time is
/// left.
const SHORT_LIFETIME: i64 = 60 * DAY;

/// What the certificates of a file are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateUse {
    /// Towards charge points.
    Server,
    ClientCa,
    /// A revocation list. `is_enforced`: once it has ended, certificates of its CA are refused.
    ClientCrl {
        is_enforced: bool,
    },
    Admin,
    /// Towards the broker.
    Mqtt,
    MqttCa,
}

/// A file of certificates, or of revocation lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFile {
    pub used_as: CertificateUse,
    /// The configuration keys that name it: several if several listeners use it.
    pub keys: Vec<String>,
    pub file: PathBuf,
    /// The one in the file that ends first; or why the file cannot be read.
    pub first: Result<Validity, String>,
}

/// From when to when a certificate or a revocation list is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// As `CN=…, O=…`. Of a revocation list, the CA that has issued it.
    pub subject: String,
    /// In seconds since 1970.
    pub not_before: i64,
    /// In seconds since 1970.
    pub not_after: i64,
}

/// Something that has ended, or has to be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// Charge points or back ends cannot connect.
    pub is_error: bool,
    /// What ends when, and what to do.
    pub text: String,
    /// When it ended, if it has.
    pub since: Option<SystemTime>,
}

impl CertificateUse {
    /// The value of the label `certificate` in the metrics.
    fn label(self) -> &'static str {
        match self {
            CertificateUse::Server => "server",
            CertificateUse::ClientCa => "client_ca",
            CertificateUse::ClientCrl { .. } => "client_crl",
            CertificateUse::Admin => "admin",
            CertificateUse::Mqtt => "mqtt",
            CertificateUse::MqttCa => "mqtt_ca",
        }
    }
}

impl CertificateFile {
    /// Reads the file that `key` of the configuration names.
    pub fn read(used_as: CertificateUse, key: impl Into<String>, file: &Path) -> Self {
        CertificateFile { used_as, keys: vec![key.into()], file: file.to_owned(), first: first_to_end(file) }
    }

    /// The configuration keys of the file, for texts.
    pub fn key(&self) -> String {
        self.keys.join(", ")
    }

    /// Whole days until it ends, less than 0 once it has.
    pub fn days_left(&self, now: SystemTime) -> Option<i64> {
        self.first.as_ref().ok().map(|validity| (validity.not_after - seconds(now)).div_euclid(DAY))
    }

    /// `None`: it can be read, and lasts long enough.
    pub fn warning(&self, now: SystemTime) -> Option<ExpiryWarning> {
        let place = format!("{} ({})", self.file.display(), self.key());
        let Validity { subject, not_after, .. } = match &self.first {
            Err(problem) => {
                let text = format!("The certificates of {} cannot be read: {problem}.", self.key());
                return Some(ExpiryWarning { is_error: true, text, since: None });
            }
            Ok(validity) if !validity.is_due(seconds(now)) => return None,
            Ok(validity) => validity,
        };
        let (what, what_to_do) = match self.used_as {
            CertificateUse::ClientCrl { .. } => ("revocation list of", "Fetch the next one from its CA"),
            _ => ("certificate", "Put a new one in its place"),
        };
        let reread = match self.used_as {
            CertificateUse::Mqtt | CertificateUse::MqttCa => "it is read at the next connection to the broker",
            _ => "the gateway reads it without a restart",
        };
        let end = UNIX_EPOCH + Duration::from_secs((*not_after).max(0) as u64);
        let date: String = rfc3339(end).chars().take(10).collect();
        let has_ended = *not_after <= seconds(now);
        let (ends, effect) = if has_ended {
            let effect = match self.used_as {
                CertificateUse::ClientCrl { is_enforced: false } => ": what its CA has revoked since then is accepted",
                CertificateUse::ClientCrl { is_enforced: true } => ": all certificates of this CA are refused",
                _ => ": those that depend on it cannot connect",
            };
            (format!("has ended on {date}"), effect)
        } else {
            let days = (not_after - seconds(now)) / DAY;
            (format!("ends in {days} day{}, on {date}", if days == 1 { "" } else { "s" }), "")
        };
        Some(ExpiryWarning {
            is_error: has_ended && self.used_as != CertificateUse::ClientCrl { is_enforced: false },
            text: format!("The {what} {subject} in {place} {ends}{effect}. {what_to_do}: {reread}."),
            since: has_ended.then_some(end),
        })
    }
}

impl Validity {
    /// Whether it has to be renewed, or has ended.
    fn is_due(&self, now: i64) -> bool {
        let lifetime = self.not_after.saturating_sub(self.not_before);
        let renewal = if lifetime < SHORT_LIFETIME { lifetime / 3 } else { RENEWAL_TIME };
        self.not_after - now < renewal
    }
}

/// The certificate of a file that ends first. An error names the file.
fn first_to_end(file: &Path) -> Result<Validity, String> {
    let found = certificates(file)?;
    let validities = found.iter().filter_map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Some(Validity { subject: parsed.subject().to_string(), not_before, not_after })
    });
    let first = validities.min_by_key(|validity| validity.not_after);
    first.ok_or_else(|| format!("{}: its certificates cannot be parsed", file.display()))
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}

type Source = Box<dyn Fn() -> Vec<CertificateFile> + Send + Sync>;

/// Everything of the gateway that ends at a known time: certificates of its listeners and clients, those of
/// authorities, and revocation lists.
#[derive(Default)]
pub struct CertificateList(Vec<Source>);

impl CertificateList {
    /// Adds what a listener or a client uses. `read` is called each time that the list is shown.
    pub fn add(&mut self, read: impl Fn() -> Vec<CertificateFile> + Send + Sync + 'static) {
        self.0.push(Box::new(read));
    }

    /// All files, by their use. A file that several listeners use for the same is there once.
    pub fn files(&self) -> Vec<CertificateFile> {
        let mut files: Vec<_> = self.0.iter().flat_map(|read| read()).collect();
        files.sort_by(|one, other| (one.used_as, &one.file).cmp(&(other.used_as, &other.file)));
        files.dedup_by(|next, first| {
            let is_same = (next.used_as, &next.file) == (first.used_as, &first.file);
            if is_same {
                first.keys.append(&mut next.keys);
            }
            is_same
        });
        files
    }

    /// Logs what has to be renewed, now and once a day.
    pub async fn log_daily(self: Arc<Self>) {
        let mut days = tokio::time::interval(Duration::from_secs(DAY.unsigned_abs()));
        loop {
            days.tick().await;
            let list = Arc::clone(&self);
            // Fails only while the program ends.
            let _ = tokio::task::spawn_blocking(move || list.log(SystemTime::now())).await;
        }
    }

    fn log(&self, now: SystemTime) {
        for ExpiryWarning { is_error, text, .. } in self.files().iter().filter_map(|file| file.warning(now)) {
            if is_error { error!("{text}") } else { warn!("{text}") }
        }
    }

    /// The metric of days until certificates end.
    pub fn metrics(self: Arc<Self>) -> Box<dyn Collector> {
        let help = "Days until a certificate expires, the first one of its file";
        collector(move |encoder| {
            let files = self.files();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            // A revocation list is listed twice if it is enforced by some listeners only.
            let mut days = BTreeMap::new();
            for CertificateFile { used_as, file, first, .. } in &files {
                let Ok(Validity { not_after, .. }) = first else { continue };
                let labels = [("certificate", used_as.label().to_owned()), ("file", file.display().to_string())];
                days.insert(labels, (*not_after as f64 - now) / DAY as f64);
            }
            let days = days.into_iter().map(|(labels, days)| (labels, ConstGauge::new(days))).collect::<Vec<_>>();
            if days.is_empty() { Ok(()) } else { write_family(encoder, "certificate_days_left", help, days) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs((days * DAY) as u64)
    }

    /// A file with a certificate that is valid between these days after 1970.
    fn file(used_as: CertificateUse, from: i64, until: i64) -> CertificateFile {
        let first = Validity { subject: "CN=it".into(), not_before: from * DAY, not_after: until * DAY };
        CertificateFile { used_as, keys: vec!["ocpp.tls.cert".into()], file: "/it.pem".into(), first: Ok(first) }
    }

    #[test]
    fn certificate_has_to_be_renewed_in_its_last_month_or_the_last_third_of_a_short_life() {
        for (lifetime, quiet, due) in [(365, 30, 29), (60, 30, 29), (59, 20, 19), (45, 15, 14), (6, 2, 1), (3, 1, 0)] {
            let it = file(CertificateUse::Server, 100, 100 + lifetime);
            let left = |days: i64| it.warning(at(100 + lifetime - days));
            assert_eq!(left(quiet), None, "{lifetime} days: {quiet} are left");
            assert!(left(due).is_some(), "{lifetime} days: {due} are left");
        }
    }

    #[test]
    fn certificate_is_a_warning_before_it_ends_and_an_error_afterwards() {
        let it = file(CertificateUse::Server, 0, 365);
        let soon = it.warning(at(364)).expect("a warning");
        let text = "The certificate CN=it in /it.pem (ocpp.tls.cert) ends in 1 day, on 1971-01-01.";
        assert!(!soon.is_error && soon.text.starts_with(text) && soon.since.is_none(), "{soon:?}");
        let over = it.warning(at(366)).expect("a warning");
        assert!(over.is_error && over.text.contains("has ended on 1971-01-01: those that"), "{over:?}");
        assert_eq!((over.since, it.days_left(at(366))), (Some(at(365)), Some(-1)));
    }

    #[test]
    fn revocation_list_that_has_ended_is_an_error_only_if_certificates_are_refused_then() {
        for (is_enforced, text) in [(false, "is accepted. Fetch"), (true, "of this CA are refused. Fetch")] {
            let over = file(CertificateUse::ClientCrl { is_enforced }, 0, 7).warning(at(8)).expect("a warning");
            assert!(over.is_error == is_enforced && over.text.contains(text), "{over:?}");
        }
    }

    #[test]
    fn file_of_two_listeners_is_listed_once_with_the_keys_of_both() {
        let mut list = CertificateList::default();
        let (server, ca) = (CertificateUse::Server, CertificateUse::ClientCa);
        for (used_as, key) in [(server, "ocpp.tls.cert"), (ca, "ocpp.tls.client_ca"), (server, "listeners.a.tls.cert")]
        {
            list.add(move || vec![CertificateFile { keys: vec![key.into()], ..file(used_as, 0, 365) }]);
        }
        let files = list.files();
        let listed: Vec<_> = files.iter().map(|file| (file.used_as, file.key())).collect();
        assert_eq!(listed, [(server, "ocpp.tls.cert, listeners.a.tls.cert".into()), (ca, "ocpp.tls.client_ca".into())]);
        let text = files[0].warning(at(364)).expect("a warning").text;
        assert!(text.contains(" in /it.pem (ocpp.tls.cert, listeners.a.tls.cert) ends in"), "{text}");
    }

    #[test]
    fn file_with_two_uses_of_one_name_has_one_series() {
        let mut list = CertificateList::default();
        for is_enforced in [false, true] {
            list.add(move || vec![file(CertificateUse::ClientCrl { is_enforced }, 0, 365)]);
        }
        assert_eq!(list.files().len(), 2, "each listener has an effect of its own to warn of");
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Arc::new(list).metrics());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encoded");
        assert_eq!(text.matches("\ncertificate_days_left{").count(), 1, "{text}");
    }
}
