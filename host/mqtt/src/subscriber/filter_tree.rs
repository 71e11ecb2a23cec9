//! Topic filters with wildcards, found by topic (MQTT 3.1.1 section 4.7).

use std::{collections::HashMap, sync::Arc};

/// A tree by topic level: the cost of a lookup depends on the topic's levels, not on the number of filters.
///
/// Not rumqttc's `matches`, which panics on a topic that begins with a character outside ASCII.
#[derive(Debug, Default)]
pub(crate) struct FilterTree {
    levels: HashMap<Box<str>, FilterTree>,
    /// The filter that ends here.
    filter: Option<Arc<str>>,
}

impl FilterTree {
    pub(crate) fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.filter.is_none()
    }

    pub(crate) fn insert(&mut self, filter: Arc<str>) {
        let mut node = self;
        for level in filter.split('/') {
            node = node.levels.entry(level.into()).or_default();
        }
        node.filter = Some(Arc::clone(&filter));
    }

    pub(crate) fn remove(&mut self, filter: &str) {
        let (level, rest) = split_level(filter);
        let Some(child) = self.levels.get_mut(level) else { return };
        match rest {
            Some(rest) => child.remove(rest),
            None => child.filter = None,
        }
        if child.is_empty() {
            self.levels.remove(level);
        }
    }

    /// Calls `found` with each filter that the topic matches.
    pub(crate) fn matches(&self, topic: &str, found: &mut impl FnMut(&Arc<str>)) {
        // A filter that begins with a wildcard does not match topics that begin with `$`.
        self.descend(topic, !topic.starts_with('$'), found);
    }

    fn descend(&self, topic: &str, wildcards: bool, found: &mut impl FnMut(&Arc<str>)) {
        let (level, rest) = split_level(topic);
        if wildcards {
            self.filter_below("#", found);
            if let Some(any) = self.levels.get("+") {
                any.enter(rest, found);
            }
        }
        if let Some(same) = self.levels.get(level) {
            same.enter(rest, found);
        }
    }

    fn enter(&self, rest: Option<&str>, found: &mut impl FnMut(&Arc<str>)) {
        match rest {
            Some(rest) => self.descend(rest, true, found),
            None => {
                self.filter.iter().for_each(&mut *found);
                // `a/#` matches `a` as well.
                self.filter_below("#", found);
            }
        }
    }

    fn filter_below(&self, level: &str, found: &mut impl FnMut(&Arc<str>)) {
        self.levels.get(level).and_then(|node| node.filter.as_ref()).into_iter().for_each(found);
    }
}

fn split_level(topic: &str) -> (&str, Option<&str>) {
    match topic.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (topic, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(filters: &[&str]) -> FilterTree {
        let mut tree = FilterTree::default();
        for filter in filters {
            tree.insert((*filter).into());
        }
        tree
    }

    fn matching(tree: &FilterTree, topic: &str) -> Vec<String> {
        let mut found = Vec::new();
        tree.matches(topic, &mut |filter| found.push(filter.to_string()));
        found.sort();
        found
    }

    #[test]
    fn examples_of_the_specification_match_as_stated() {
        for (filter, topic, matches) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("#", "sport/tennis", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/monitor", false),
            ("+/monitor", "$SYS/monitor", false),
            ("$SYS/#", "$SYS/monitor", true),
            ("a/+/c", "a/b/c", true),
            ("+/é", "ü/é", true),
        ] {
            assert_eq!(!matching(&tree(&[filter]), topic).is_empty(), matches, "{filter} on {topic}");
        }
    }

    #[test]
    fn every_matching_filter_is_found_once() {
        let tree = tree(&["a/#", "a/+", "+/b", "#", "a/+/c"]);
        assert_eq!(matching(&tree, "a/b"), ["#", "+/b", "a/#", "a/+"]);
    }

    #[test]
    fn tree_is_empty_after_all_filters_are_removed() {
        let filters = ["a/#", "a/+/c", "a/+"];
        let mut tree = tree(&filters);
        tree.remove("a/+");
        tree.remove("b/+");
        assert_eq!(matching(&tree, "a/b/c"), ["a/#", "a/+/c"]);
        filters.iter().for_each(|filter| tree.remove(filter));
        assert!(tree.is_empty());
    }
}
