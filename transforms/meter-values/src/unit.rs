//! Units of measure and their conversion.

use serde::Deserialize;

/// The unit of energy. Reactive and apparent energy get the same prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Energy {
    Wh,
    #[serde(rename = "kWh")]
    KiloWh,
    /// The unit in which the charge point gives it.
    #[serde(rename = "keep")]
    Keep,
}

/// The unit of power. Reactive and apparent power get the same prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Power {
    W,
    #[serde(rename = "kW")]
    KiloW,
    /// The unit in which the charge point gives it.
    #[serde(rename = "keep")]
    Keep,
}

/// The units to convert to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets {
    pub(crate) energy: Energy,
    pub(crate) power: Power,
}

/// A target unit, and the power of ten by which a value is multiplied for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) unit: &'static str,
    pub(crate) exponent: i32,
}

/// Units without and with the prefix kilo, as OCPP spells them (OCPP 1.6, section 7.45; OCPP 2.0.1, part 2, appendices:
/// standardized units of measure).
const ENERGIES: [[&str; 2]; 3] = [["Wh", "kWh"], ["varh", "kvarh"], ["VAh", "kVAh"]];
const POWERS: [[&str; 2]; 3] = [["W", "kW"], ["VA", "kVA"], ["var", "kvar"]];

impl Targets {
    /// The conversion of a unit, whatever its case; `None`: it is not converted.
    pub(crate) fn convert(self, unit: &str) -> Option<Conversion> {
        let energy = match self.energy {
            Energy::Wh => Some(0),
            Energy::KiloWh => Some(1),
            Energy::Keep => None,
        };
        let power = match self.power {
            Power::W => Some(0),
            Power::KiloW => Some(1),
            Power::Keep => None,
        };
        // The spelling in the first edition of OCPP 1.6.
        if unit.eq_ignore_ascii_case("Celcius") {
            return Some(Conversion { unit: "Celsius", exponent: 0 });
        }
        among(&ENERGIES, unit, energy).or_else(|| among(&POWERS, unit, power))
    }
}

fn among(units: &[[&'static str; 2]], unit: &str, wanted: Option<usize>) -> Option<Conversion> {
    units.iter().find_map(|scaled| {
        let given = scaled.iter().position(|name| name.eq_ignore_ascii_case(unit))?;
        let wanted = wanted.unwrap_or(given);
        Some(Conversion { unit: scaled[wanted], exponent: 3 * (given as i32 - wanted as i32) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(energy: Energy, power: Power, unit: &str) -> Option<(&'static str, i32)> {
        Targets { energy, power }.convert(unit).map(|conversion| (conversion.unit, conversion.exponent))
    }

    #[test]
    fn units_are_converted_within_their_quantity() {
        for (unit, small, large) in [
            ("Wh", ("Wh", 0), ("kWh", -3)),
            ("kWh", ("Wh", 3), ("kWh", 0)),
            ("kvarh", ("varh", 3), ("kvarh", 0)),
            ("VAh", ("VAh", 0), ("kVAh", -3)),
            ("W", ("W", 0), ("kW", -3)),
            ("kVA", ("VA", 3), ("kVA", 0)),
            ("var", ("var", 0), ("kvar", -3)),
        ] {
            assert_eq!(converted(Energy::Wh, Power::W, unit), Some(small), "{unit}");
            assert_eq!(converted(Energy::KiloWh, Power::KiloW, unit), Some(large), "{unit}");
        }
    }

    #[test]
    fn units_of_each_quantity_can_be_kept() {
        assert_eq!(converted(Energy::Keep, Power::W, "kWh"), Some(("kWh", 0)));
        assert_eq!(converted(Energy::Keep, Power::W, "kW"), Some(("W", 3)));
        assert_eq!(converted(Energy::Wh, Power::Keep, "kW"), Some(("kW", 0)));
    }

    #[test]
    fn spelling_of_units_is_mended() {
        assert_eq!(converted(Energy::Wh, Power::W, "KWH"), Some(("Wh", 3)));
        assert_eq!(converted(Energy::Keep, Power::Keep, "Kw"), Some(("kW", 0)));
        assert_eq!(converted(Energy::Wh, Power::W, "Celcius"), Some(("Celsius", 0)));
    }

    #[test]
    fn other_units_are_not_converted() {
        for unit in ["A", "V", "K", "Percent", "Celsius", "Fahrenheit", "MWh", "", "kWh/100km"] {
            assert_eq!(converted(Energy::Wh, Power::W, unit), None, "{unit}");
        }
    }
}
