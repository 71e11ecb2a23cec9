//! The actions that the specifications name, told apart at the price of one comparison.
//!
//! For what is kept per action: a charge point may write any text in the place of an action, so whatever grows with
//! what it writes grows without bound. Here everything unknown is one.

use std::fmt;

/// One of the actions of OCPP 1.6 (with its security extension), 2.0.1 and 2.1, or "other".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(u8);

impl Action {
    /// How many there are, "other" included: an index is less than this.
    pub const COUNT: usize = NAMES.len() + 1;

    /// Any text that is not in the specifications.
    pub const OTHER: Action = Action(NAMES.len() as u8);

    /// Looks a name up. Names are spelt exactly as in the specifications.
    pub fn of(name: &str) -> Self {
        if name.len() > LONGEST {
            return Action::OTHER;
        }
        let slot = TABLE.slots[hash(TABLE.seed, name.as_bytes())];
        match NAMES.get(usize::from(slot)) {
            Some(known) if *known == name => Action(slot),
            _ => Action::OTHER,
        }
    }

    /// All of them, by index.
    pub fn all() -> impl Iterator<Item = Action> {
        (0..=Action::OTHER.0).map(Action)
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().unwrap_or("other")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where each name's index stands: at its hash. The seed is one with which no two names have the same.
struct Table {
    seed: u32,
    slots: [u8; SLOTS],
}

const SLOTS: usize = 2048;
const EMPTY: u8 = u8::MAX;

static TABLE: Table = find_table();

const LONGEST: usize = {
    let (mut longest, mut index) = (0, 0);
    while index < NAMES.len() {
        if NAMES[index].len() > longest {
            longest = NAMES[index].len();
        }
        index += 1;
    }
    longest
};

/// FNV-1a, cut to the size of the table.
const fn hash(seed: u32, name: &[u8]) -> usize {
    let (mut hash, mut index) = (seed, 0);
    while index < name.len() {
        hash = (hash ^ name[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    (hash ^ (hash >> 16)) as usize % SLOTS
}

/// Found by the compiler.
const fn find_table() -> Table {
    let mut seed = 0x811c_9dc5;
    loop {
        if let Some(slots) = try_seed(seed) {
            return Table { seed, slots };
        }
        seed += 1;
    }
}

const fn try_seed(seed: u32) -> Option<[u8; SLOTS]> {
    let (mut slots, mut index) = ([EMPTY; SLOTS], 0);
    while index < NAMES.len() {
        let slot = hash(seed, NAMES[index].as_bytes());
        if slots[slot] != EMPTY {
            return None;
        }
        slots[slot] = index as u8;
        index += 1;
    }
    Some(slots)
}

/// From the published schemas of the three versions.
const NAMES: [&str; 102] = [
    "AFRRSignal",
    "AdjustPeriodicEventStream",
    "Authorize",
    "BatterySwap",
    "BootNotification",
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ChangeTransactionTariff",
    "ClearCache",
    "ClearChargingProfile",
    "ClearDERControl",
    "ClearDisplayMessage",
    "ClearTariffs",
    "ClearVariableMonitoring",
    "ClearedChargingLimit",
    "ClosePeriodicEventStream",
    "CostUpdated",
    "CustomerInformation",
    "DataTransfer",
    "DeleteCertificate",
    "DiagnosticsStatusNotification",
    "ExtendedTriggerMessage",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetBaseReport",
    "GetCertificateChainStatus",
    "GetCertificateStatus",
    "GetChargingProfiles",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetDERControl",
    "GetDiagnostics",
    "GetDisplayMessages",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "GetMonitoringReport",
    "GetPeriodicEventStream",
    "GetReport",
    "GetTariffs",
    "GetTransactionStatus",
    "GetVariables",
    "Heartbeat",
    "InstallCertificate",
    "LogStatusNotification",
    "MeterValues",
    "NotifyAllowedEnergyTransfer",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyPeriodicEventStream",
    "NotifyPriorityCharging",
    "NotifyReport",
    "NotifySettlement",
    "NotifyWebPaymentStarted",
    "OpenPeriodicEventStream",
    "PublishFirmware",
    "PublishFirmwareStatusNotification",
    "PullDynamicScheduleUpdate",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReportChargingProfiles",
    "ReportDERControl",
    "RequestBatterySwap",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReservationStatusUpdate",
    "ReserveNow",
    "Reset",
    "SecurityEventNotification",
    "SendLocalList",
    "SetChargingProfile",
    "SetDERControl",
    "SetDefaultTariff",
    "SetDisplayMessage",
    "SetMonitoringBase",
    "SetMonitoringLevel",
    "SetNetworkProfile",
    "SetVariableMonitoring",
    "SetVariables",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "SignedUpdateFirmware",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    "TransactionEvent",
    "TriggerMessage",
    "UnlockConnector",
    "UnpublishFirmware",
    "UpdateDynamicSchedule",
    "UpdateFirmware",
    "UsePriorityCharging",
    "VatNumberValidation",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_everything_else_is_other() {
        for (index, name) in NAMES.into_iter().enumerate() {
            assert_eq!((Action::of(name).index(), Action::of(name).name()), (index, name));
        }
        let strange = ["", "heartbeat", "Heartbeat ", "other", "\u{0}", "CustomAction"];
        for name in strange.into_iter().map(str::to_owned).chain(["x".repeat(1 << 20)]) {
            assert_eq!(Action::of(&name), Action::OTHER);
        }
        assert_eq!(Action::all().count(), Action::COUNT);
    }

    /// A charge point that tries every name it can think of makes no new one.
    #[test]
    fn no_text_makes_an_index_beyond_the_known() {
        let mut state = 1_u32;
        for _ in 0..100_000 {
            let length = 1 + state % 31;
            let letter = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'A' + (state >> 24) as u8 % 58)
            };
            let name: String = (0..length).map(letter).collect();
            assert_eq!(Action::of(&name), Action::OTHER, "{name}");
        }
    }
}
