//! Which messages of two outcomes belong together.

/// The messages of two outcomes.
#[derive(Debug)]
pub(super) struct Pairs<'a, T> {
    /// They differ.
    pub(super) changed: Vec<(&'a T, &'a T)>,
    /// Only the old outcome has them.
    pub(super) missing: Vec<&'a T>,
    /// Only the new outcome has them.
    pub(super) added: Vec<&'a T>,
    /// Both have the same, in another order.
    pub(super) is_reordered: bool,
}

impl<'a, T: PartialEq> Pairs<'a, T> {
    /// Equal ones belong together, then those that are alike, and then the others in their order.
    pub(super) fn of(old: &'a [T], new: &'a [T], alike: impl Fn(&T, &T) -> bool) -> Self {
        let mut matching = Matching { old, new, partners: vec![None; old.len()], is_taken: vec![false; new.len()] };
        matching.pair_up(|old, new| old == new);
        let is_reordered =
            old.len() == new.len() && matching.partners.iter().all(Option::is_some) && !matching.partners.is_sorted();
        matching.pair_up(alike);
        matching.pair_up(|_, _| true);
        let Matching { partners, is_taken, .. } = matching;
        let partner = |(old, place): (&'a T, &Option<usize>)| place.map(|place| (old, &new[place]));
        let lonely = |(old, place): (&'a T, &Option<usize>)| place.is_none().then_some(old);
        Pairs {
            changed: old.iter().zip(&partners).filter_map(partner).filter(|(old, new)| old != new).collect(),
            missing: old.iter().zip(&partners).filter_map(lonely).collect(),
            added: new.iter().zip(is_taken).filter_map(|(new, is_taken)| (!is_taken).then_some(new)).collect(),
            is_reordered,
        }
    }
}

struct Matching<'a, T> {
    old: &'a [T],
    new: &'a [T],
    /// For each old one, the place of the new one.
    partners: Vec<Option<usize>>,
    is_taken: Vec<bool>,
}

impl<T> Matching<'_, T> {
    fn pair_up(&mut self, belongs: impl Fn(&T, &T) -> bool) {
        for (old, partner) in self.old.iter().zip(&mut self.partners).filter(|(_, partner)| partner.is_none()) {
            let free = self.new.iter().zip(&self.is_taken).position(|(new, is_taken)| !is_taken && belongs(old, new));
            if let Some(place) = free {
                self.is_taken[place] = true;
                *partner = Some(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'a>(old: &'a [&'a str], new: &'a [&'a str]) -> Pairs<'a, &'a str> {
        Pairs::of(old, new, |old, new| old[..1] == new[..1])
    }

    #[test]
    fn equal_messages_belong_together_before_those_that_are_alike() {
        let found = pairs(&["a1", "b1", "c1"], &["b1", "a2", "d1"]);
        assert_eq!(found.changed, [(&"a1", &"a2"), (&"c1", &"d1")]);
        assert!(found.missing.is_empty() && found.added.is_empty() && !found.is_reordered);
    }

    #[test]
    fn messages_without_a_partner_are_missing_or_added() {
        assert_eq!(pairs(&["a1", "b1"], &["b1"]).missing, [&"a1"]);
        assert_eq!(pairs(&["b1"], &["a1", "b1"]).added, [&"a1"]);
    }

    #[test]
    fn another_order_of_the_same_messages_is_noticed() {
        assert!(pairs(&["a1", "b1"], &["b1", "a1"]).is_reordered);
        assert!(!pairs(&["a1", "a1"], &["a1", "a1"]).is_reordered);
    }
}
