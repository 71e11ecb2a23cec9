//! Names that a crate and its folder can have.

/// Names that cargo and rustc refuse or warn about, and names that the scaffold uses, with `-` as `_`. Keywords are
/// those of edition 2024.
const RESERVED: &str = "alloc core ocpp_transform proc_macro serde serde_json std test \
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl \
    in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof \
    unsafe unsized use virtual where while yield";
const MAX_LENGTH: usize = 64;

/// Checks a name from the command line.
pub(super) fn crate_name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(legal) {
        return Err("a crate's name begins with a letter; letters, digits, - and _ follow".into());
    }
    if text.len() > MAX_LENGTH {
        return Err(format!("a crate's name has at most {MAX_LENGTH} characters"));
    }
    let library = text.replace('-', "_").to_lowercase();
    if RESERVED.split_whitespace().any(|reserved| reserved == library) {
        return Err("this name is reserved".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_crate_can_have_are_refused() {
        for good in ["mine", "acme-quirks", "a_1", "X"] {
            assert_eq!(crate_name(good).as_deref(), Ok(good));
        }
        let long = "x".repeat(65);
        for bad in ["", "1a", "-a", "a b", "a/b", "../a", "ä", "fn", "Self", "serde-json", "ocpp-transform", &long] {
            assert!(crate_name(bad).is_err(), "{bad}");
        }
    }
}
