//! Names that a crate can have, and a folder too.

/// What cargo and rustc refuse or warn of, and what the scaffold itself needs; with `-` as `_`. Keywords of edition 2024.
const TAKEN: &str = "alloc core ocpp_transform proc_macro serde serde_json std test \
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl \
    in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof \
    unsafe unsized use virtual where while yield";
const LONGEST: usize = 64;

/// Checks a name from the command line.
pub(super) fn crate_name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(legal) {
        return Err("a crate's name begins with a letter; letters, digits, - and _ follow".into());
    }
    if text.len() > LONGEST {
        return Err(format!("a crate's name has at most {LONGEST} characters"));
    }
    let library = text.replace('-', "_").to_lowercase();
    if TAKEN.split_whitespace().any(|taken| taken == library) {
        return Err("this name is taken".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates() {
        for good in ["mine", "acme-quirks", "a_1", "X"] {
            assert_eq!(crate_name(good).as_deref(), Ok(good));
        }
        let long = "x".repeat(65);
        for bad in ["", "1a", "-a", "a b", "a/b", "../a", "ä", "fn", "Self", "serde-json", "ocpp-transform", &long] {
            assert!(crate_name(bad).is_err(), "{bad}");
        }
    }
}
