//! Which charge points take part in a trial.

use crate::matching::Glob;
use ocpp_gateway_core::Identity;
use sha2::{Digest as _, Sha256};

/// Both conditions have to hold. Without any, all charge points take part.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The name of the transform.
    transform: String,
    charge_points: Option<(String, Glob)>,
    /// From 1 to 100.
    percent: Option<u8>,
}

impl Selection {
    /// `transform`: its name. `charge_points`: a glob, in which `*` stands for any text and `?` for any one character.
    /// `percent`: of all identities, from 1 to 100.
    pub fn new(transform: &str, charge_points: Option<String>, percent: Option<u8>) -> Self {
        let with_glob = |text: String| {
            let glob = Glob::new(&text);
            (text, glob)
        };
        Selection { transform: transform.to_owned(), charge_points: charge_points.map(with_glob), percent }
    }

    pub fn charge_points(&self) -> Option<&str> {
        self.charge_points.as_ref().map(|(text, _)| text.as_str())
    }

    pub fn percent(&self) -> Option<u8> {
        self.percent
    }

    pub fn selects(&self, identity: &Identity) -> bool {
        self.charge_points.as_ref().is_none_or(|(_, glob)| glob.matches(identity.as_str()))
            && self.percent.is_none_or(|percent| self.is_among(identity, percent))
    }

    /// Whether an identity is among this percentage of all. It depends on nothing but the identity and the name of the
    /// transform: the same charge points take part after a restart and at every gateway, and stay when the percentage
    /// grows; those of trials of two transforms have nothing to do with each other.
    fn is_among(&self, identity: &Identity, percent: u8) -> bool {
        let digest = Sha256::new().chain_update(&self.transform).chain_update("/").chain_update(identity.as_str());
        let number = digest.finalize().iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        number % 100 < u32::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        Identity::new(name, 48).expect("an identity")
    }

    fn selected(selection: &Selection) -> Vec<usize> {
        (0..1000).filter(|number| selection.selects(&identity(&format!("CP{number}")))).collect()
    }

    #[test]
    fn percentage_selects_about_as_many_identities() {
        for percent in [1, 10, 50, 99] {
            let count = selected(&Selection::new("standard", None, Some(percent))).len();
            assert!(count.abs_diff(10 * usize::from(percent)) < 40, "{count} of 1000 for {percent} %");
        }
        assert_eq!(selected(&Selection::new("standard", None, Some(100))).len(), 1000);
    }

    #[test]
    fn greater_percentage_selects_the_same_and_more() {
        let few = selected(&Selection::new("standard", None, Some(10)));
        let more = selected(&Selection::new("standard", None, Some(20)));
        assert!(few.iter().all(|number| more.contains(number)) && more.len() > few.len());
    }

    #[test]
    fn which_ones_a_percentage_selects_never_changes() {
        assert_eq!(selected(&Selection::new("standard", None, Some(1)))[..5], FIRST_OF_ONE_PERCENT);
    }

    /// Written down, as another hash would move running trials to other charge points.
    const FIRST_OF_ONE_PERCENT: [usize; 5] = [25, 234, 237, 277, 383];

    #[test]
    fn trials_of_two_transforms_select_independently() {
        let one = selected(&Selection::new("standard", None, Some(50)));
        let other = selected(&Selection::new("quirk", None, Some(50)));
        let both = one.iter().filter(|number| other.contains(number)).count();
        assert!(both.abs_diff(250) < 50, "{both} of 1000");
    }

    #[test]
    fn glob_and_percentage_both_have_to_hold() {
        let half = Selection::new("standard", Some("CP1*".into()), Some(50));
        let all = selected(&half);
        assert!(all.iter().all(|number| number.to_string().starts_with('1')) && all.len() < 80, "{}", all.len());
        assert!(!half.selects(&identity("XX")));
    }
}
