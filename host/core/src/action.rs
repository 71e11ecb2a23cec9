//! The actions of the specifications, numbered.
//!
//! A charge point may send any text as an action, so data kept per action name could grow without bound. All unknown
//! names therefore share one number.

use std::fmt;

/// One of the actions of OCPP 1.6 (with its security extension), 2.0.1 and 2.1, or "other".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(u8);

impl Action {
    /// The number of actions, "other" included. Every index is less than this.
    pub const COUNT: usize = NAMES.len() + 1;

    /// Every name that is not in the specifications.
    pub const OTHER: Action = Action(NAMES.len() as u8);

    /// Looks up a name, spelt exactly as in the specifications.
    pub fn of(name: &str) -> Self {
        NAMES.binary_search(&name).map_or(Action::OTHER, |index| Action(index as u8))
    }

    /// All actions, by index.
    pub fn all() -> impl Iterator<Item = Action> {
        (0..=Action::OTHER.0).map(Action)
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().unwrap_or("other")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names in the published schemas of the three versions, sorted.
const NAMES: &[&str] = &include!(concat!(env!("OUT_DIR"), "/actions.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_everything_else_is_other() {
        for (index, &name) in NAMES.iter().enumerate() {
            assert_eq!((Action::of(name).index(), Action::of(name).name()), (index, name));
        }
        let strange = ["", "heartbeat", "Heartbeat ", "other", "\u{0}", "CustomAction"];
        for name in strange.into_iter().map(str::to_owned).chain(["x".repeat(1 << 20)]) {
            assert_eq!(Action::of(&name), Action::OTHER);
        }
        assert_eq!(Action::all().count(), Action::COUNT);
    }

    #[test]
    fn random_names_map_to_other() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..100_000 {
            let name: String = (0..random.u8(1..32)).map(|_| random.char('A'..='z')).collect();
            assert_eq!(Action::of(&name), Action::OTHER, "{name}");
        }
    }
}
