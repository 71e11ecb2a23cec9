//! Numbers as text, so that a meter's digits do not pass through floating point.

use serde_json::value::RawValue;

/// A sampled value times ten to the power of `multiplier`, as JSON text with the digits that it came with. `None` if
/// it is neither a JSON number nor a string that holds one.
pub(crate) fn number(value: &RawValue, multiplier: i32) -> Option<Box<RawValue>> {
    let text = value.get();
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).ok()?;
        scaled(text.trim(), multiplier)
    } else {
        scaled(text, multiplier)
    }
}

fn scaled(text: &str, multiplier: i32) -> Option<Box<RawValue>> {
    // Excludes all other JSON.
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let number = RawValue::from_string(text.to_owned()).ok()?;
    if multiplier == 0 {
        return Some(number);
    }
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.parse::<i32>().ok()?.checked_add(multiplier)?;
    RawValue::from_string(format!("{digits}e{exponent}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: &str, multiplier: i32) -> Option<String> {
        let value: &RawValue = serde_json::from_str(value).expect("JSON");
        number(value, multiplier).map(|number| number.get().to_owned())
    }

    #[test]
    fn digits_are_kept() {
        for (value, expected) in [
            ("1234.50", "1234.50"),
            (r#""1234.50""#, "1234.50"),
            (r#"" -0.10 ""#, "-0.10"),
            (r#""1e3""#, "1e3"),
            (r#""\u0031""#, "1"),
            (r#""123456789012345678901234567890""#, "123456789012345678901234567890"),
        ] {
            assert_eq!(written(value, 0).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn a_multiplier_becomes_an_exponent() {
        for (value, multiplier, expected) in [
            ("12.50", 3, "12.50e3"),
            ("12.50", -3, "12.50e-3"),
            ("1e2", 3, "1e5"),
            ("1E+2", -2, "1e0"),
            (r#""7""#, 1, "7e1"),
        ] {
            assert_eq!(written(value, multiplier).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(written("1e2147483647", 1), None);
    }

    #[test]
    fn text_that_is_no_number_is_none() {
        for value in [
            r#""""#,
            r#""-""#,
            r#""NaN""#,
            r#""12,5""#,
            r#""1 2""#,
            r#""+5""#,
            r#""007""#,
            r#"".5""#,
            r#""12 Wh""#,
            r#""\"5\"""#,
            "true",
            "null",
            "{}",
            "[1]",
        ] {
            assert_eq!(written(value, 0), None, "{value}");
            assert_eq!(written(value, 3), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_number_keeps_its_text(number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            prop_assert_eq!(written(&number, 0), Some(number.clone()));
            prop_assert_eq!(written(&format!("\"{number}\""), 0), Some(number));
        }
    }
}
