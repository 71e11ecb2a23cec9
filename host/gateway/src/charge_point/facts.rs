//! What is known of a charge point, from what it has sent. It outlasts the connection.

mod read;
#[cfg(test)]
mod tests;

use super::moment::{AtomicMoment, Moment};
use ocpp_gateway_core::Version;
use parking_lot::Mutex;
use std::time::{Duration, Instant, SystemTime};

pub use read::{Boot, Connector};

/// The most connectors of a charge point that are kept.
const MAX_CONNECTORS: usize = 32;

/// The status of a connector that is out of order, in all versions.
const FAULTED: &str = "Faulted";

/// What is known of a charge point. Its task and the registry share it.
#[derive(Debug, Default)]
pub struct Facts {
    last_heartbeat: AtomicMoment,
    known: Mutex<Known>,
}

/// The part of [`Facts`] that changes with few messages.
#[derive(Debug, Default)]
pub struct Known {
    /// From the latest BootNotification.
    pub boot: Option<Box<Boot>>,
    /// From the latest StatusNotification of each, the first one first.
    pub connectors: Vec<Connector>,
    /// The heartbeat interval that back ends gave to the charge point.
    interval: Option<Duration>,
    /// The end of the latest connection that has ended.
    pub last_disconnect: Option<Disconnect>,
}

#[derive(Debug, Clone, Copy)]
pub struct Disconnect {
    pub at: Moment,
    /// As in the metric `closed`.
    pub reason: &'static str,
}

impl Facts {
    /// Takes over what a CALL of the charge point tells, if it is one of the three that do. What a payload lacks, or has
    /// in another form than the specifications, is not known. Returns whether the number of faulted connectors has
    /// changed.
    pub(super) fn record(&self, version: Version, action: &str, payload: &str, now: Instant) -> bool {
        match action {
            "Heartbeat" => self.last_heartbeat.set(now.into()),
            "BootNotification" => {
                if let Some(boot) = read::boot(version, payload) {
                    self.known.lock().boot = Some(Box::new(boot));
                }
            }
            "StatusNotification" => {
                if let Some(connector) = read::connector(version, payload, SystemTime::now()) {
                    let mut known = self.known.lock();
                    let before = known.faulted();
                    known.set_connector(connector);
                    return known.faulted() != before;
                }
            }
            _ => {}
        }
        false
    }

    /// The number of connectors whose latest status is Faulted.
    pub(super) fn faulted(&self) -> usize {
        self.known.lock().faulted()
    }

    /// When the latest Heartbeat arrived.
    pub fn last_heartbeat(&self) -> Option<Moment> {
        self.last_heartbeat.get()
    }

    /// Looks at the rest, under its lock.
    pub fn with<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.lock())
    }

    /// The heartbeat interval that the charge point was given, on any connection.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.known.lock().interval
    }

    pub(super) fn set_interval(&self, interval: Option<Duration>) {
        self.known.lock().interval = interval;
    }

    pub(super) fn set_disconnected(&self, reason: &'static str, now: Instant) {
        self.known.lock().last_disconnect = Some(Disconnect { at: now.into(), reason });
    }

    /// The charge point speaks another version now, in which connectors have other numbers.
    pub(super) fn forget_connectors(&self) {
        self.known.lock().connectors = Vec::new();
    }
}

impl Known {
    fn faulted(&self) -> usize {
        self.connectors.iter().filter(|it| it.status.eq_ignore_ascii_case(FAULTED)).count()
    }

    fn set_connector(&mut self, new: Connector) {
        let is_same = |old: &Connector| (old.evse, old.connector) == (new.evse, new.connector);
        match self.connectors.iter().position(is_same) {
            Some(index) => self.connectors[index] = new,
            None if self.connectors.len() < MAX_CONNECTORS => {
                // Most charge points have few, and a vector would make room for four at once.
                self.connectors.reserve_exact(1);
                self.connectors.push(new);
            }
            None => {}
        }
    }
}
