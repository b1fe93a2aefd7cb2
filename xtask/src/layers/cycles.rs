//! Circles of files that use each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::Use;

/// Circles that are told of one crate at most.
const MOST_TOLD: usize = 20;

/// A shortest circle through the first use of each that is left, once those that were told are cut.
pub(crate) fn cycles(uses: &[Use]) -> Vec<Vec<&Use>> {
    let mut edges: BTreeMap<usize, BTreeMap<usize, &Use>> = BTreeMap::new();
    for of in uses.iter().filter(|of| !of.is_reexport) {
        edges.entry(of.from).or_default().entry(of.to).or_insert(of);
    }
    let mut found = Vec::new();
    while found.len() < MOST_TOLD {
        let starts = edges.keys();
        let circles = starts.filter_map(|start| shortest(&edges, *start));
        let Some(circle) = circles.min_by_key(Vec::len) else {
            break;
        };
        if let Some(cut) = circle.last()
            && let Some(targets) = edges.get_mut(&cut.from)
        {
            targets.remove(&cut.to);
        }
        found.push(circle);
    }
    found
}

/// A shortest way from a file back to it.
fn shortest<'a>(
    edges: &BTreeMap<usize, BTreeMap<usize, &'a Use>>,
    start: usize,
) -> Option<Vec<&'a Use>> {
    let mut came_by: BTreeMap<usize, &Use> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut next = VecDeque::from([start]);
    while let Some(at) = next.pop_front() {
        for (to, of) in edges.get(&at).into_iter().flatten() {
            if *to == start {
                let mut circle = vec![*of];
                let mut at = at;
                while at != start {
                    let of = came_by.get(&at)?;
                    circle.push(of);
                    at = of.from;
                }
                circle.reverse();
                return Some(circle);
            }
            if seen.insert(*to) {
                came_by.insert(*to, of);
                next.push_back(*to);
            }
        }
    }
    None
}
