//! Decimal numbers as text: a shift by powers of ten keeps every digit, and adds none that was not measured.

use std::fmt::{self, Display};

/// More digits than any meter has. The limit keeps an exponent from making a huge text.
const MAX_DIGITS: usize = 40;

/// `digits` · 10^-`places`, and a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// ASCII digits, at least one.
    digits: String,
    places: i32,
}

impl Decimal {
    /// Reads a JSON number, also with spaces around it, a plus sign, leading zeros, or no digit before or after the
    /// point. `None`: it is something else, or has too many digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Decimal { negative, digits, places }.if_short().filter(|_| are_digits)
    }

    /// The number times 10^`exponent`. `None`: it has too many digits.
    pub(crate) fn shift(self, exponent: i32) -> Option<Self> {
        Decimal { places: self.places.checked_sub(exponent)?, ..self }.if_short()
    }

    fn if_short(self) -> Option<Self> {
        let short = self.digits.len() <= MAX_DIGITS && self.places.unsigned_abs() as usize <= MAX_DIGITS;
        short.then_some(self)
    }
}

/// As a JSON number, without exponent.
impl Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::try_from(self.places).unwrap_or_default();
        let zeros_after = usize::try_from(-self.places).unwrap_or_default();
        // At least one digit before the point.
        let digits = format!("{:0>width$}{:0<zeros_after$}", self.digits, "", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let whole = whole.trim_start_matches('0');
        let sign = if self.negative { "-" } else { "" };
        write!(out, "{sign}{}", if whole.is_empty() { "0" } else { whole })?;
        if fraction.is_empty() { Ok(()) } else { write!(out, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shifted(text: &str, exponent: i32) -> Option<String> {
        Some(Decimal::parse(text)?.shift(exponent)?.to_string())
    }

    #[test]
    fn digits_are_kept() {
        for (text, exponent, expected) in [
            ("1730", 0, "1730"),
            ("1730", -3, "1.730"),
            ("17", -3, "0.017"),
            ("0", -3, "0.000"),
            ("0.1", 3, "100"),
            ("1.2345", 3, "1234.5"),
            ("17.10", 0, "17.10"),
            ("-0.5", 3, "-500"),
            ("-7", -3, "-0.007"),
            ("1.5e3", 0, "1500"),
            ("15E-1", 0, "1.5"),
            ("1e-3", 3, "1"),
            ("123456789012345678901234567890", -3, "123456789012345678901234567.890"),
        ] {
            assert_eq!(shifted(text, exponent).as_deref(), Some(expected), "{text} {exponent}");
        }
    }

    #[test]
    fn unusual_spellings_of_numbers_are_read() {
        for (text, expected) in
            [(" 17 ", "17"), ("+17", "17"), (".5", "0.5"), ("5.", "5"), ("007", "7"), ("000", "0"), ("00.50", "0.50")]
        {
            assert_eq!(shifted(text, 0).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn text_that_is_no_number_is_none() {
        for text in
            ["", " ", "-", ".", "+-1", "1,5", "1 000", "NaN", "0x10", "1e", "1e1.5", "e3", "--1", "1.2.3", "١", "12kWh"]
        {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
        for text in ["1e999999999", "1e-999999999", "1e99999999999", "1e2147483648"] {
            assert_eq!(shifted(text, 3), None, "{text:?}");
        }
        assert_eq!(Decimal::parse(&"1".repeat(41)), None);
        assert_eq!(shifted("1", i32::MIN), None);
    }

    proptest! {
        // The number has more places than are shifted, as added zeros would stay.
        #[test]
        fn shift_back_restores_the_number(whole in 0..u64::MAX, places in 6_usize..12, exponent in -6..=6_i32) {
            let text = format!("{whole}.{:0>places$}1", "");
            let there = shifted(&text, exponent).expect("short enough");
            prop_assert_eq!(shifted(&there, -exponent), Some(text));
        }
    }
}
