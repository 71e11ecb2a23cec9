//! Which side sends a message. The published schemas do not say it.
//!
//! Sources: OCPP 1.6 edition 2, chapters 4 (charge point) and 5 (central system); the whitepaper "Improved security for OCPP
//! 1.6-J"; OCPP 2.0.1 part 2 and OCPP 2.1 part 2, chapter "Messages", where each message begins with its sender. No
//! action has another sender in another version.

/// What a charge point sends: CALLs, and the SEND of OCPP 2.1.
const BY_CHARGE_POINT: &[&str] = &[
    "Authorize",
    "BatterySwap",
    "BootNotification",
    "ClearedChargingLimit",
    "ClosePeriodicEventStream",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateChainStatus",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
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
    "OpenPeriodicEventStream",
    "PublishFirmwareStatusNotification",
    "PullDynamicScheduleUpdate",
    "ReportChargingProfiles",
    "ReportDERControl",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    "TransactionEvent",
    "VatNumberValidation",
];

/// What a CSMS sends.
const BY_CSMS: &[&str] = &[
    "AFRRSignal",
    "AdjustPeriodicEventStream",
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
    "CostUpdated",
    "CustomerInformation",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetBaseReport",
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
    "InstallCertificate",
    "NotifyAllowedEnergyTransfer",
    // It tells the charge point that a driver pays on a web page.
    "NotifyWebPaymentStarted",
    "PublishFirmware",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "RequestBatterySwap",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "Reset",
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
    "SignedUpdateFirmware",
    "TriggerMessage",
    "UnlockConnector",
    "UnpublishFirmware",
    "UpdateDynamicSchedule",
    "UpdateFirmware",
    "UsePriorityCharging",
];

/// Which sides send an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Senders {
    pub charge_point: bool,
    pub csms: bool,
}

impl Senders {
    /// The senders of an action of the specifications; of any other name, none.
    pub fn of(action: &str) -> Self {
        let is_in = |list: &[&str]| list.binary_search(&action).is_ok();
        Senders { charge_point: is_in(BY_CHARGE_POINT), csms: is_in(BY_CSMS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::schema::Schema;
    use crate::version::Version;

    #[test]
    fn every_published_action_has_a_sender_and_only_data_transfer_has_two() {
        for version in Version::ALL {
            for action in Schema::actions(version) {
                let Senders { charge_point, csms } = Senders::of(action);
                assert!(charge_point || csms, "{version} {action} has no sender");
                assert_eq!(charge_point && csms, action == "DataTransfer", "{version} {action}");
            }
        }
        assert_eq!(Senders::of("Made"), Senders { charge_point: false, csms: false });
    }

    #[test]
    fn lists_are_sorted_and_name_published_actions_only() {
        for list in [BY_CHARGE_POINT, BY_CSMS] {
            assert!(list.is_sorted_by(|one, next| one < next), "{list:?}");
            for action in list {
                assert_ne!(Action::of(action), Action::OTHER, "{action}");
            }
        }
    }
}
