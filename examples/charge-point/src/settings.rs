//! The settings that the back end can read and change.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Set by the answer to BootNotification, too.
    pub(crate) heartbeat_interval: Duration,
    pub(crate) meter_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { heartbeat_interval: Duration::from_secs(300), meter_interval: Duration::from_secs(60) }
    }
}

/// A setting, by the names it has on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    HeartbeatInterval,
    MeterInterval,
}

impl Setting {
    pub(crate) const ALL: [Setting; 2] = [Setting::HeartbeatInterval, Setting::MeterInterval];

    /// The configuration key in OCPP 1.6.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Setting::HeartbeatInterval => "HeartbeatInterval",
            Setting::MeterInterval => "MeterValueSampleInterval",
        }
    }

    /// Component and variable in OCPP 2.x.
    pub(crate) fn variable(self) -> (&'static str, &'static str) {
        match self {
            Setting::HeartbeatInterval => ("OCPPCommCtrlr", "HeartbeatInterval"),
            Setting::MeterInterval => ("SampledDataCtrlr", "TxUpdatedInterval"),
        }
    }

    pub(crate) fn by_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.key() == key)
    }
}

impl Settings {
    /// The value in seconds.
    pub(crate) fn get(&self, setting: Setting) -> String {
        self.interval(setting).as_secs().to_string()
    }

    /// Sets the value, in seconds. False if it is not a whole number above 0.
    pub(crate) fn set(&mut self, setting: Setting, value: &str) -> bool {
        let seconds = value.parse().unwrap_or(0);
        if seconds > 0 {
            *self.interval_mut(setting) = Duration::from_secs(seconds);
        }
        seconds > 0
    }

    fn interval(&self, setting: Setting) -> Duration {
        match setting {
            Setting::HeartbeatInterval => self.heartbeat_interval,
            Setting::MeterInterval => self.meter_interval,
        }
    }

    fn interval_mut(&mut self, setting: Setting) -> &mut Duration {
        match setting {
            Setting::HeartbeatInterval => &mut self.heartbeat_interval,
            Setting::MeterInterval => &mut self.meter_interval,
        }
    }
}
