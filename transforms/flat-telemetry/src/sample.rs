//! One sampled value, with the data of its frame and its meter value.

use crate::number::number;
use crate::payload::{MeterValue, Payload, SampledValue};
use serde::Serialize;
use serde_json::value::RawValue;

/// The JSON object of a sample. An unknown member is `null`; the defaults of the specification are filled in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample<'a> {
    pub(crate) charge_point: &'a str,
    pub(crate) evse_id: Option<&'a RawValue>,
    pub(crate) connector_id: Option<&'a RawValue>,
    transaction_id: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    pub(crate) measurand: &'a str,
    /// `None`: all phases together.
    pub(crate) phase: Option<&'a str>,
    location: &'a str,
    pub(crate) context: &'a str,
    value: Box<RawValue>,
    pub(crate) unit: Option<&'a str>,
}

/// Why a sample is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// It is signed data, which can be verified only in the message in which it came.
    Signed,
    NotANumber,
    /// The objects of one frame would be larger than one call may answer with.
    NoRoom,
}

impl LeftOut {
    /// For logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LeftOut::Signed => "signed",
            LeftOut::NotANumber => "not_a_number",
            LeftOut::NoRoom => "no_room",
        }
    }
}

impl<'a> Sample<'a> {
    pub(crate) fn new(
        charge_point: &'a str,
        payload: &Payload<'a>,
        meter_value: &MeterValue<'a>,
        sampled: &'a SampledValue<'a>,
    ) -> Result<Self, LeftOut> {
        if sampled.format.as_deref() == Some("SignedData") {
            return Err(LeftOut::Signed);
        }
        let of_measure = sampled.unit_of_measure.as_ref();
        let unit = sampled.unit.as_deref().or_else(|| of_measure?.unit.as_deref());
        let multiplier = of_measure.and_then(|of_measure| of_measure.multiplier).unwrap_or(0);
        // The defaults of OCPP 1.6, section 7.43, and OCPP 2.x, part 2, SampledValueType.
        let measurand = sampled.measurand.as_deref().unwrap_or("Energy.Active.Import.Register");
        Ok(Sample {
            charge_point,
            evse_id: payload.evse(),
            connector_id: payload.connector(),
            transaction_id: payload.transaction(),
            timestamp: meter_value.timestamp,
            measurand,
            phase: sampled.phase.as_deref(),
            location: sampled.location.as_deref().unwrap_or("Outlet"),
            context: sampled.context.as_deref().unwrap_or("Sample.Periodic"),
            value: number(sampled.value, multiplier).ok_or(LeftOut::NotANumber)?,
            unit: unit.or(measurand.starts_with("Energy.").then_some("Wh")),
        })
    }

    /// The sample with its JSON text, whose bytes are taken from `room`.
    pub(crate) fn written(self, room: &mut usize) -> Result<(Self, Vec<u8>), LeftOut> {
        let text = serde_json::to_vec(&self).expect("strings and JSON text can be written as JSON");
        *room = room.checked_sub(text.len()).ok_or(LeftOut::NoRoom)?;
        Ok((self, text))
    }
}
