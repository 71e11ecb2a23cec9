//! The actions that the specifications name, told apart by a number.
//!
//! For what is kept per action: a charge point may write any text in the place of an action, so whatever grows with
//! what it writes grows without bound. Here everything unknown is one.

use std::fmt;

/// One of the actions of OCPP 1.6 (with its security extension), 2.0.1 and 2.1, or "other".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(u8);

impl Action {
    /// How many there are, "other" included: an index is less than this.
    pub const COUNT: usize = NAMES.len() + 1;

    /// Any text that is not in the specifications.
    pub const OTHER: Action = Action(NAMES.len() as u8);

    /// Looks a name up. Names are spelt exactly as in the specifications.
    pub fn of(name: &str) -> Self {
        NAMES.binary_search(&name).map_or(Action::OTHER, |index| Action(index as u8))
    }

    /// All of them, by index.
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

/// From the published schemas of the three versions, sorted.
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

    /// A charge point that tries every name it can think of makes no new one.
    #[test]
    fn no_text_makes_an_index_beyond_the_known() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..100_000 {
            let name: String = (0..random.u8(1..32)).map(|_| random.char('A'..='z')).collect();
            assert_eq!(Action::of(&name), Action::OTHER, "{name}");
        }
    }
}
