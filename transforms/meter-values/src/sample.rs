//! One sampled value, in the two forms that the versions of OCPP have.
//!
//! OCPP 1.6, section 7.43: `value` is a string, `unit` a member. OCPP 2.0.1, part 2, SampledValueType: `value` is a
//! number, and the unit is in `unitOfMeasure`, with a power of ten.

use crate::config::Config;
use crate::decimal::Decimal;
use crate::unit::Conversion;
use ocpp_transform_json_tree::{Object, Tree};
use std::borrow::Cow;
use thiserror::Error;

const DEFAULT_MEASURAND: &str = "Energy.Active.Import.Register";

/// Why a sampled value is not mended. Does not quote the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("the value is missing")]
    NoValue,
    #[error("the value is not a number that can be converted")]
    NotANumber,
    #[error("the {0} is not a string")]
    NotAString(&'static str),
    #[error("unitOfMeasure is not an object")]
    NotAnObject,
    #[error("the multiplier is not an integer that can be applied")]
    Multiplier,
}

/// Which kind of JSON value a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Number,
}

/// Mends a sampled value of OCPP 1.6.
pub(crate) fn mend_1_6(sample: &mut Object<'_>, config: &Config) -> Result<(), Fault> {
    if string(sample, "format")?.as_deref() == Some("SignedData") {
        return Ok(());
    }
    let unit = Unit::of(sample, sample, config)?;
    rewrite_value(sample, Kind::String, unit.exponent())?;
    if config.fill_defaults {
        fill(sample, "context", "Sample.Periodic");
        fill(sample, "format", "Raw");
        unit.fill_measurand(sample);
        fill(sample, "location", "Outlet");
    }
    unit.write(sample);
    Ok(())
}

/// Mends a sampled value of OCPP 2.0.1 or 2.1.
pub(crate) fn mend_2(sample: &mut Object<'_>, config: &Config) -> Result<(), Fault> {
    if given(sample, "signedMeterValue").is_some() {
        return Ok(());
    }
    let mut measure = match given(sample, "unitOfMeasure") {
        None => Object::default(),
        Some(Tree::Object(measure)) => measure.clone(),
        Some(_) => return Err(Fault::NotAnObject),
    };
    let multiplier = multiplier(&measure)?;
    let unit = Unit::of(sample, &measure, config)?;
    let exponent = unit.exponent().checked_add(multiplier.unwrap_or(0)).ok_or(Fault::Multiplier)?;
    rewrite_value(sample, Kind::Number, exponent)?;
    if config.fill_defaults {
        fill(sample, "context", "Sample.Periodic");
        unit.fill_measurand(sample);
        fill(sample, "location", "Outlet");
    }
    unit.write(&mut measure);
    // If there is a unit, the multiplier 0 is written out.
    let is_wanted = config.fill_defaults && given(&measure, "unit").is_some();
    if multiplier.is_some_and(|multiplier| multiplier != 0) || (multiplier.is_none() && is_wanted) {
        measure.set("multiplier", Tree::Scalar(Cow::Borrowed("0")));
    }
    if !measure.is_empty() {
        sample.set("unitOfMeasure", Tree::Object(measure));
    }
    Ok(())
}

/// The unit of a sampled value.
struct Unit {
    /// Whether the unit is given, and not only implied by the specification.
    is_given: bool,
    /// Whether the unit agrees with the default measurand.
    is_energy: bool,
    /// `None`: the unit is not converted.
    conversion: Option<Conversion>,
    fill_default: bool,
}

impl Unit {
    /// `holder`: the object with the member `unit`.
    fn of(sample: &Object<'_>, holder: &Object<'_>, config: &Config) -> Result<Self, Fault> {
        let measurand = string(sample, "measurand")?;
        let given = string(holder, "unit")?;
        let of_energy = measurand.is_none_or(|measurand| measurand.starts_with("Energy."));
        // The default unit of energy is Wh; other measurands have none.
        let unit = given.as_deref().or(of_energy.then_some("Wh"));
        Ok(Unit {
            is_given: given.is_some(),
            is_energy: unit.is_some_and(|unit| ["Wh", "kWh"].iter().any(|name| name.eq_ignore_ascii_case(unit))),
            conversion: unit.and_then(|unit| config.targets().convert(unit)),
            fill_default: config.fill_defaults,
        })
    }

    /// The power of ten by which the value is to be multiplied.
    fn exponent(&self) -> i32 {
        self.conversion.map_or(0, |conversion| conversion.exponent)
    }

    /// Writes out the default measurand, an energy, unless the unit contradicts it: then the measurand is not known.
    fn fill_measurand(&self, sample: &mut Object<'_>) {
        if self.is_energy {
            fill(sample, "measurand", DEFAULT_MEASURAND);
        }
    }

    fn write(&self, holder: &mut Object<'_>) {
        let Some(Conversion { unit, exponent }) = self.conversion else { return };
        if !self.is_given && !self.fill_default && exponent == 0 {
            return;
        }
        if string(holder, "unit").ok().flatten().as_deref() != Some(unit) {
            holder.set("unit", Tree::string(unit));
        }
    }
}

/// Makes the value a string or a number, as its version requires, and shifts its point. A value that needs neither is
/// not changed.
fn rewrite_value(sample: &mut Object<'_>, kind: Kind, exponent: i32) -> Result<(), Fault> {
    let value = given(sample, "value").ok_or(Fault::NoValue)?;
    let (text, is) = match (value.as_str(), value.as_number()) {
        (Some(text), _) => (text, Kind::String),
        (None, Some(text)) => (Cow::Borrowed(text), Kind::Number),
        (None, None) => return Err(Fault::NotANumber),
    };
    if is == kind && exponent == 0 {
        return Ok(());
    }
    let number = Decimal::parse(&text).and_then(|number| number.shift(exponent)).ok_or(Fault::NotANumber)?;
    let text = match kind {
        Kind::String => format!("\"{number}\""),
        Kind::Number => number.to_string(),
    };
    sample.set("value", Tree::Scalar(Cow::Owned(text)));
    Ok(())
}

/// The multiplier of a unit, also if it is a string.
fn multiplier(measure: &Object<'_>) -> Result<Option<i32>, Fault> {
    let Some(value) = given(measure, "multiplier") else { return Ok(None) };
    let text = value.as_str().or_else(|| value.as_number().map(Cow::Borrowed)).ok_or(Fault::Multiplier)?;
    text.trim().parse().map(Some).map_err(|_| Fault::Multiplier)
}

/// A member that is present and not `null`.
fn given<'s, 'a>(object: &'s Object<'a>, key: &str) -> Option<&'s Tree<'a>> {
    object.get(key).filter(|value| !value.is_null())
}

fn string<'s>(object: &'s Object<'_>, key: &'static str) -> Result<Option<Cow<'s, str>>, Fault> {
    given(object, key).map(|value| value.as_str().ok_or(Fault::NotAString(key))).transpose()
}

fn fill(object: &mut Object<'_>, key: &'static str, default: &'static str) {
    if given(object, key).is_none() {
        object.set(key, Tree::string(default));
    }
}
