//! The common members of payloads with meter values: MeterValues and StopTransaction of OCPP 1.6 (sections 6.31 and
//! 6.49), MeterValues and TransactionEvent of OCPP 2.x.
//!
//! Members that are only copied stay JSON text, so that a number that a charge point sends as a string, or the reverse,
//! is kept as it is.

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload<'a> {
    /// 1.6 only.
    #[serde(borrow)]
    connector_id: Option<&'a RawValue>,
    /// 1.6 only.
    #[serde(borrow)]
    transaction_id: Option<&'a RawValue>,
    /// MeterValues of 2.x only.
    #[serde(borrow)]
    evse_id: Option<&'a RawValue>,
    /// TransactionEvent only.
    #[serde(borrow)]
    evse: Option<Evse<'a>>,
    /// TransactionEvent only.
    #[serde(borrow)]
    transaction_info: Option<TransactionInfo<'a>>,
    #[serde(borrow, alias = "transactionData")]
    meter_value: Option<Vec<MeterValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evse<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    connector_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionInfo<'a> {
    #[serde(borrow)]
    transaction_id: Option<&'a RawValue>,
}

/// The samples of one moment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeterValue<'a> {
    #[serde(borrow)]
    pub(crate) timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    sampled_value: Vec<SampledValue<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SampledValue<'a> {
    /// A number; in 1.6 it is in a string.
    #[serde(borrow)]
    pub(crate) value: &'a RawValue,
    pub(crate) context: Option<String>,
    /// 1.6 only: `Raw` or `SignedData`.
    pub(crate) format: Option<String>,
    pub(crate) measurand: Option<String>,
    pub(crate) phase: Option<String>,
    pub(crate) location: Option<String>,
    /// 1.6 only.
    pub(crate) unit: Option<String>,
    /// 2.x only.
    pub(crate) unit_of_measure: Option<UnitOfMeasure>,
    /// 2.x only: the value once more, with a signature.
    #[serde(borrow)]
    signed_meter_value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct UnitOfMeasure {
    pub(crate) unit: Option<String>,
    /// The power of ten by which the value is to be multiplied.
    pub(crate) multiplier: Option<i32>,
}

impl<'a> Payload<'a> {
    /// Every sample, with the meter value that it belongs to.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (&MeterValue<'a>, &SampledValue<'a>)> {
        let meter_values = self.meter_value.iter().flatten();
        meter_values.flat_map(|meter_value| meter_value.sampled_value.iter().map(move |sampled| (meter_value, sampled)))
    }

    /// Whether a sample has a signed value beside its value.
    pub(crate) fn is_signed(&self) -> bool {
        self.samples().any(|(_, sampled)| sampled.signed_meter_value.is_some())
    }

    pub(crate) fn evse(&self) -> Option<&'a RawValue> {
        self.evse_id.or_else(|| self.evse.as_ref()?.id)
    }

    pub(crate) fn connector(&self) -> Option<&'a RawValue> {
        self.connector_id.or_else(|| self.evse.as_ref()?.connector_id)
    }

    pub(crate) fn transaction(&self) -> Option<&'a RawValue> {
        self.transaction_id.or_else(|| self.transaction_info.as_ref()?.transaction_id)
    }
}
