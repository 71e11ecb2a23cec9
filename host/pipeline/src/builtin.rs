//! The components that ship with the gateway: `builtin:NAME`.

/// A ready-made transform. Its component is only data of the program until a configuration names it.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    pub name: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
    pub component: &'static [u8],
    /// Its `settings.toml`: every key of its configuration, with default and comment.
    pub settings: &'static str,
}

/// All ready-made transforms, sorted by name. `build.rs` makes the table.
pub static BUILTINS: &[Builtin] = &include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// The name of the default mapping.
pub(crate) const STANDARD_NAME: &str = "standard";

/// The component with the standard mapping: `builtin:standard`.
pub const STANDARD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/standard.wasm"));

impl Builtin {
    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Builtin> {
        BUILTINS.iter().find(|builtin| builtin.name == name)
    }
}

/// Which ready-made transforms there are, and which one `unknown` may be meant to be.
pub(crate) fn suggestion(unknown: &str) -> String {
    let names: Vec<_> = BUILTINS.iter().map(|builtin| builtin.name).collect();
    let names = names.join(", ");
    match nearest(unknown) {
        Some(nearest) => format!("did you mean builtin:{nearest}? There are {names}"),
        None => format!("there are {names}"),
    }
}

/// The most similar name, unless it takes changes to more than a third of the letters.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    BUILTINS
        .iter()
        .map(|builtin| (strsim::damerau_levenshtein(&name, builtin.name), builtin.name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= name.len() / 3 + 1)
        .map(|(_, nearest)| nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_each_entry_is_described() {
        assert!(BUILTINS.is_sorted_by(|one, next| one.name < next.name), "{BUILTINS:?}");
        for Builtin { name, description, settings, .. } in BUILTINS {
            assert!(!description.is_empty() && !description.contains('\n') && !settings.is_empty(), "{name}");
        }
        assert_eq!(Builtin::find(STANDARD_NAME).map(|standard| standard.component), Some(STANDARD));
    }

    #[test]
    fn misspelt_name_is_recognised() {
        assert_eq!(nearest("redcat"), Some("redact"));
        assert_eq!(nearest("Meter-Value"), Some("meter-values"));
        assert_eq!(nearest("nonsense"), None);
    }
}
