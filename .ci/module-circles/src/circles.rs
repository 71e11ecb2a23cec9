//! Which modules use each other in a circle, directly or through others.

use crate::modules::Id;
use crate::uses::Uses;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

/// Modules each of which uses each other one, through others if not itself.
pub(crate) struct Circle {
    pub(crate) modules: Vec<Id>,
    /// From whom to whom, and the names.
    pub(crate) uses: Vec<(Id, Id, String)>,
}

pub(crate) fn find(uses: &Uses) -> Vec<Circle> {
    let graph: DiGraphMap<Id, ()> = DiGraphMap::from_edges(uses.keys().copied());
    let tied = tarjan_scc(&graph).into_iter().filter(|modules| modules.len() > 1);
    let circle = |modules: Vec<Id>| {
        let within = uses.iter().filter(|((from, to), _)| modules.contains(from) && modules.contains(to));
        let named = |((from, to), names): (&(Id, Id), &std::collections::BTreeSet<String>)| {
            (*from, *to, names.iter().cloned().collect::<Vec<_>>().join(", "))
        };
        let uses = within.map(named).collect();
        Circle { modules, uses }
    };
    tied.map(circle).collect()
}
