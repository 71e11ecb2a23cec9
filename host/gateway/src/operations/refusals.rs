//! Refused connections, one entry for each charge point and reason.
//!
//! Any client can be refused at any rate, under any name. So the table is bounded, its texts are cut,
//! and a refusal that is in the table already allocates nothing.

use super::address::counted_address;
use super::events::GatewayEvent;
use lru::LruCache;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Instant, SystemTime};

/// Entries that are kept; then the one that was refused longest ago makes room.
const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");

/// The longest text in an entry, in bytes. With the number of entries, it limits their memory to about 1 MB.
const MAX_TEXT_LENGTH: usize = 256;

/// The minutes over which [`Refusals::recent`] counts.
pub const RECENT_MINUTES: u64 = 10;

/// Refusals that are due to the state of the gateway: the charge point is not at fault, wherever it was.
const OF_THE_GATEWAY: [&str; 2] = ["unavailable", "full"];

/// A connection that was refused.
#[derive(Clone, Copy)]
pub struct Refusal<'a> {
    pub ip: IpAddr,
    /// With the port, if it is known.
    pub address: &'a dyn Display,
    /// The name of the listener.
    pub listener: &'a str,
    /// The identity in the request, if it was read: it is not verified.
    pub identity: Option<&'a str>,
    /// The subject of the client's certificate, if it sent one.
    pub certificate: Option<&'a str>,
    /// As in the metrics `refused` and `closed`.
    pub reason: &'static str,
    pub text: &'a dyn Display,
    /// The client sent nothing: no charge point, and nothing that is wrong.
    pub is_probe: bool,
}

/// All refusals of one charge point for one reason; without an identity, those of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalEntry {
    pub identity: Option<String>,
    /// The latest.
    pub address: IpAddr,
    /// The name of the listener of the latest.
    pub listener: String,
    /// The latest.
    pub certificate: Option<String>,
    pub reason: &'static str,
    /// The latest.
    pub text: String,
    pub count: u64,
    pub first: SystemTime,
    pub last: SystemTime,
}

/// The refusals of the last [`RECENT_MINUTES`] minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentRefusals {
    pub count: u64,
    /// The commonest reason, and how many refusals had it.
    pub commonest: (&'static str, u64),
    /// When the first of them happened.
    pub since: SystemTime,
}

/// Refused connections.
#[derive(Debug)]
pub struct Refusals {
    state: Mutex<State>,
    /// Minutes count from here.
    start: Instant,
}

#[derive(Debug)]
struct State {
    /// Since the start.
    total: u64,
    entries: LruCache<String, Kept>,
    /// All that entries have had. There are fewer than twenty.
    reasons: Vec<&'static str>,
    /// For the key of an entry.
    key: String,
    /// The oldest first.
    minutes: VecDeque<Minute>,
}

#[derive(Debug)]
struct Kept {
    entry: RefusalEntry,
    /// Its share of the latest minutes: their numbers and how many.
    minutes: Vec<(u64, u64)>,
}

/// The refusals of one minute, by reason.
#[derive(Debug)]
struct Minute {
    number: u64,
    first: SystemTime,
    counts: Vec<(&'static str, u64)>,
}

impl Refusal<'_> {
    pub(super) fn event(&self) -> GatewayEvent {
        GatewayEvent::Refused {
            address: self.address.to_string(),
            listener: self.listener.to_owned(),
            identity: self.identity.map(str::to_owned),
            certificate: self.certificate.map(str::to_owned),
            reason: self.reason,
            text: self.text.to_string(),
        }
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let state = State {
            total: 0,
            entries: LruCache::new(MAX_ENTRIES),
            reasons: Vec::new(),
            key: String::new(),
            minutes: VecDeque::new(),
        };
        Refusals { state: Mutex::new(state), start: Instant::now() }
    }
}

impl Refusals {
    pub(super) fn count(&self, refusal: &Refusal<'_>) {
        let minute = self.minute(Instant::now());
        self.state.lock().count(refusal, minute, SystemTime::now());
    }

    /// A charge point has connected. What it was refused for before is over, and is forgotten: refusals for the state of
    /// the gateway, and those of the same address. Others may be those of a client that only claims to be this one.
    pub fn connected(&self, identity: &str, ip: IpAddr) {
        self.state.lock().connected(cut(identity), counted_address(ip));
    }

    /// The number of refusals since the start.
    pub fn total(&self) -> u64 {
        self.state.lock().total
    }

    /// The first of the entries that match, the latest first, and how many match.
    pub fn entries(&self, limit: usize, matches: impl Fn(&RefusalEntry) -> bool) -> (Vec<RefusalEntry>, usize) {
        let state = self.state.lock();
        let matching = || state.entries.iter().map(|(_, kept)| &kept.entry).filter(|entry| matches(entry));
        (matching().take(limit).cloned().collect(), matching().count())
    }

    /// `None`: no connection was refused in the last minutes.
    pub fn recent(&self, now: Instant) -> Option<RecentRefusals> {
        self.state.lock().recent(self.minute(now))
    }

    fn minute(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / 60
    }
}

impl State {
    fn count(&mut self, refusal: &Refusal<'_>, minute: u64, now: SystemTime) {
        self.total += 1;
        if !refusal.is_probe {
            self.count_minute(refusal.reason, minute, now);
        }
        if !self.reasons.contains(&refusal.reason) {
            self.reasons.push(refusal.reason);
        }
        let identity = refusal.identity.map(cut);
        self.key.clear();
        // Writing to a string does not fail.
        let _ = match identity {
            Some(identity) => write_key(&mut self.key, refusal.reason, identity),
            None => write!(self.key, "{} address {}", refusal.reason, counted_address(refusal.ip)),
        };
        if let Some(kept) = self.entries.get_mut(self.key.as_str()) {
            return kept.update(refusal, minute, now);
        }
        let mut entry = RefusalEntry {
            identity: identity.map(str::to_owned),
            address: refusal.ip,
            listener: String::new(),
            certificate: None,
            reason: refusal.reason,
            text: String::new(),
            count: 0,
            first: now,
            last: now,
        };
        entry.update(refusal, now);
        let minutes = if refusal.is_probe { Vec::new() } else { vec![(minute, 1)] };
        self.entries.push(self.key.clone(), Kept { entry, minutes });
    }

    fn connected(&mut self, identity: &str, ip: IpAddr) {
        for &reason in &self.reasons {
            self.key.clear();
            // Writing to a string does not fail.
            let _ = write_key(&mut self.key, reason, identity);
            let is_over = |it: &Kept| OF_THE_GATEWAY.contains(&reason) || counted_address(it.entry.address) == ip;
            if !self.entries.peek(self.key.as_str()).is_some_and(is_over) {
                continue;
            }
            let forgotten = self.entries.pop(self.key.as_str()).map(|kept| kept.minutes).unwrap_or_default();
            for (number, less) in forgotten {
                let minute = self.minutes.iter_mut().find(|minute| minute.number == number);
                let counts = minute.into_iter().flat_map(|minute| &mut minute.counts);
                counts.filter(|(known, _)| *known == reason).for_each(|(_, count)| *count = count.saturating_sub(less));
            }
        }
    }

    fn count_minute(&mut self, reason: &'static str, number: u64, now: SystemTime) {
        self.forget_minutes(number);
        if self.minutes.back().is_none_or(|latest| latest.number < number) {
            self.minutes.push_back(Minute { number, first: now, counts: Vec::new() });
        }
        let Some(minute) = self.minutes.back_mut() else { return };
        match minute.counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => minute.counts.push((reason, 1)),
        }
    }

    fn forget_minutes(&mut self, now: u64) {
        while self.minutes.front().is_some_and(|oldest| oldest.number + RECENT_MINUTES < now) {
            self.minutes.pop_front();
        }
    }

    fn recent(&mut self, now: u64) -> Option<RecentRefusals> {
        self.forget_minutes(now);
        let has_any = |minute: &&Minute| minute.counts.iter().any(|(_, count)| *count > 0);
        let since = self.minutes.iter().find(has_any)?.first;
        let mut counts: Vec<(&'static str, u64)> = Vec::new();
        for &(reason, more) in self.minutes.iter().flat_map(|minute| &minute.counts) {
            match counts.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += more,
                None => counts.push((reason, more)),
            }
        }
        let commonest = counts.iter().copied().max_by_key(|(_, count)| *count)?;
        Some(RecentRefusals { count: counts.iter().map(|(_, count)| count).sum(), commonest, since })
    }
}

/// The key of the entry of this reason and identity.
fn write_key(key: &mut String, reason: &str, identity: &str) -> fmt::Result {
    write!(key, "{reason} identity {identity}")
}

impl Kept {
    fn update(&mut self, refusal: &Refusal<'_>, minute: u64, now: SystemTime) {
        self.entry.update(refusal, now);
        if refusal.is_probe {
            return;
        }
        match self.minutes.last_mut() {
            Some((number, count)) if *number == minute => *count += 1,
            _ => {
                self.minutes.retain(|(number, _)| number + RECENT_MINUTES >= minute);
                self.minutes.push((minute, 1));
            }
        }
    }
}

impl RefusalEntry {
    fn update(&mut self, refusal: &Refusal<'_>, now: SystemTime) {
        self.count += 1;
        (self.address, self.last) = (refusal.ip, now);
        if self.listener != refusal.listener {
            refusal.listener.clone_into(&mut self.listener);
        }
        if let Some(subject) = refusal.certificate.map(cut)
            && self.certificate.as_deref() != Some(subject)
        {
            self.certificate = Some(subject.to_owned());
        }
        self.text.clear();
        // An error only says that the text is longer.
        let _ = write!(CutText(&mut self.text), "{}", refusal.text);
    }

    /// Whether identity or address contain `part`, which is in lower case.
    pub fn contains(&self, part: &str) -> bool {
        let identity = self.identity.as_ref().is_some_and(|identity| identity.to_lowercase().contains(part));
        identity || self.address.to_string().contains(part)
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_LENGTH)]
}

/// Takes the beginning of a text, and makes no more of it.
struct CutText<'a>(&'a mut String);

impl fmt::Write for CutText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_TEXT_LENGTH.saturating_sub(self.0.len());
        let fitting = &text[..text.floor_char_boundary(room)];
        self.0.push_str(fitting);
        if fitting.len() == text.len() {
            return Ok(());
        }
        self.0.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn refusal<'a>(identity: Option<&'a str>, ip: &str, reason: &'static str, text: &'a String) -> Refusal<'a> {
        let ip = ip.parse().expect("an address");
        Refusal {
            ip,
            address: &"192.0.2.1:4711",
            listener: "default",
            identity,
            certificate: None,
            reason,
            text,
            is_probe: false,
        }
    }

    /// Counts a refusal in minute `minute`, at its start.
    fn count(refusals: &Refusals, minute: u64, identity: Option<&str>, ip: &str, reason: &'static str) {
        refusals.state.lock().count(&refusal(identity, ip, reason, &reason.to_owned()), minute, at(minute * 60));
    }

    fn shown(refusals: &Refusals) -> Vec<(Option<String>, String, &'static str, u64)> {
        let entries = refusals.entries(usize::MAX, |_| true).0.into_iter();
        entries.map(|entry| (entry.identity, entry.address.to_string(), entry.reason, entry.count)).collect()
    }

    #[test]
    fn refusals_of_one_identity_or_address_share_an_entry_for_each_reason() {
        let refusals = Refusals::default();
        count(&refusals, 0, Some("CP1"), "192.0.2.1", "unauthorized");
        count(&refusals, 1, None, "192.0.2.9", "tls");
        count(&refusals, 2, Some("CP1"), "192.0.2.2", "forbidden");
        count(&refusals, 3, Some("CP1"), "192.0.2.3", "unauthorized");
        let one = |address: &str, reason, count| (Some("CP1".to_owned()), address.to_owned(), reason, count);
        assert_eq!(
            shown(&refusals),
            [
                one("192.0.2.3", "unauthorized", 2),
                one("192.0.2.2", "forbidden", 1),
                (None, "192.0.2.9".to_owned(), "tls", 1)
            ]
        );
        let entry = &refusals.entries(1, |entry| entry.contains("cp1")).0[0];
        assert_eq!((entry.first, entry.last), (at(0), at(180)));
        assert_eq!(refusals.entries(0, |entry| entry.contains("2.0.2.9")).1, 1);
        assert_eq!(refusals.total(), 4);
    }

    #[test]
    fn neither_many_names_nor_long_texts_grow_the_table() {
        let refusals = Refusals::default();
        let long = "é".repeat(10_000);
        for number in 0..3000 {
            let identity = format!("{number}{long}");
            let certificate = Some(long.as_str());
            let refusal = Refusal { certificate, ..refusal(Some(&identity), "192.0.2.1", "unauthorized", &long) };
            refusals.state.lock().count(&refusal, 0, at(0));
        }
        let entries = refusals.entries(usize::MAX, |_| true).0;
        assert_eq!(entries.len(), MAX_ENTRIES.get());
        assert!(entries[0].identity.as_ref().is_some_and(|identity| identity.starts_with("2999é")), "the latest first");
        for RefusalEntry { identity, certificate, text, .. } in entries {
            let texts = [identity.expect("an identity"), certificate.expect("a subject"), text];
            assert!(texts.iter().all(|text| text.len() <= MAX_TEXT_LENGTH + '…'.len_utf8()));
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_an_entry() {
        let refusals = Refusals::default();
        for number in 0..100 {
            count(&refusals, 0, None, &format!("2001:db8::{number:x}"), "tls");
        }
        assert_eq!(shown(&refusals), [(None, "2001:db8::63".to_owned(), "tls", 100)]);
    }

    #[test]
    fn connections_that_send_nothing_are_listed_but_no_problem() {
        let refusals = Refusals::default();
        let text = "no request".to_owned();
        refusals.count(&Refusal { is_probe: true, ..refusal(None, "192.0.2.1", "not_websocket", &text) });
        assert_eq!((refusals.total(), refusals.recent(Instant::now())), (1, None));
        refusals.count(&refusal(None, "192.0.2.1", "not_websocket", &text));
        assert!(refusals.recent(Instant::now()).is_some_and(|recent| recent.count == 1));
    }

    #[test]
    fn refusals_are_recent_for_ten_minutes() {
        let refusals = Refusals::default();
        assert_eq!(refusals.state.lock().recent(0), None);
        count(&refusals, 1, Some("CP1"), "192.0.2.1", "tls");
        for _ in 0..3 {
            count(&refusals, 5, Some("CP2"), "192.0.2.1", "unauthorized");
        }
        count(&refusals, 5, Some("CP3"), "192.0.2.1", "tls");
        let recent = |count, commonest, since| Some(RecentRefusals { count, commonest, since: at(since) });
        assert_eq!(refusals.state.lock().recent(11), recent(5, ("unauthorized", 3), 60));
        assert_eq!(refusals.state.lock().recent(12), recent(4, ("unauthorized", 3), 300));
        assert_eq!(refusals.state.lock().recent(16), None);
        assert_eq!(refusals.total(), 5, "that counts since the start");
    }

    fn connected(refusals: &Refusals, identity: &str, ip: &str) {
        refusals.connected(identity, ip.parse().expect("an address"));
    }

    #[test]
    fn refusals_are_over_once_their_charge_point_has_connected() {
        let refusals = Refusals::default();
        for minute in [1, 2, 2] {
            count(&refusals, minute, Some("CP1"), "192.0.2.1", "unavailable");
        }
        count(&refusals, 2, Some("CP1"), "192.0.2.1", "unauthorized");
        count(&refusals, 2, Some("CP2"), "192.0.2.2", "unavailable");
        connected(&refusals, "CP3", "192.0.2.1");
        assert_eq!(shown(&refusals).len(), 3);
        connected(&refusals, "CP1", "192.0.2.1");
        assert_eq!(shown(&refusals), [(Some("CP2".to_owned()), "192.0.2.2".to_owned(), "unavailable", 1)]);
        let recent = RecentRefusals { count: 1, commonest: ("unavailable", 1), since: at(120) };
        assert_eq!(refusals.state.lock().recent(3), Some(recent));
        // It comes from another address after the outage.
        connected(&refusals, "CP2", "198.51.100.1");
        assert_eq!((shown(&refusals), refusals.state.lock().recent(3)), (vec![], None));
        assert_eq!(refusals.total(), 5, "that counts since the start");
        count(&refusals, 3, Some("CP2"), "192.0.2.2", "unavailable");
        assert_eq!(refusals.state.lock().recent(3).map(|it| it.count), Some(1));
    }

    #[test]
    fn client_elsewhere_that_claims_an_identity_stays_among_the_refused() {
        let refusals = Refusals::default();
        count(&refusals, 1, Some("CP1"), "203.0.113.9", "unauthorized");
        connected(&refusals, "CP1", "192.0.2.1");
        assert_eq!(shown(&refusals).len(), 1);
        assert_eq!(refusals.state.lock().recent(1).map(|it| it.count), Some(1));
    }
}
