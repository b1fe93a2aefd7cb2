//! The matrix in the form that the page's script reads: every product, member and reason once, and
//! for each member experience only what differs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use pmp_sync_domain::answers::report::ManagementLists;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::policy::{Action, PolicySnapshot, Standing};
use pmp_sync_domain::sources::{Conflict, Sources};

use crate::model::{Kind, Link, Model, Reason, State};

/// The data for the script. Names are short, because there may be 400,000 cells.
#[derive(Debug, Serialize)]
pub(crate) struct Coded<'a> {
    made: String,
    /// The products, ordered by id.
    p: Vec<&'a str>,
    /// Their names, by index among the products, as far as they are known.
    n: BTreeMap<usize, &'a str>,
    m: Vec<CodedManagement>,
    l: Vec<CodedLink<'a>>,
    r: &'a [Reason],
    /// Of each word in the cells: itself, its sign and its text.
    signs: Vec<[&'static str; 3]>,
    /// The same of each state.
    states: Vec<[&'static str; 3]>,
}

#[derive(Debug, Serialize)]
struct CodedManagement {
    /// The id, or several with commas between them.
    id: String,
    /// The standing of each product, one letter each. Null if the lists cannot be read.
    s: Option<String>,
}

#[derive(Debug, Serialize)]
struct CodedLink<'a> {
    member: &'a str,
    account: &'a str,
    experience: Option<&'a str>,
    /// Index of what it follows.
    m: Option<usize>,
    mode: Mode,
    state: State,
    stale: bool,
    step: Option<String>,
    frozen: Option<String>,
    open: usize,
    quarantined: usize,
    letters: Option<usize>,
    fault: Option<&'a FaultRecord>,
    /// Indexes of the products that differ, each as its distance from the one before.
    p: Vec<usize>,
    /// Their standing, one letter each.
    s: String,
    /// The change that they need, one letter each.
    w: String,
    /// Indexes of reasons, each with the number of consecutive products.
    r: Vec<(usize, usize)>,
    /// Outside edits, by index among the products that differ.
    e: BTreeMap<usize, String>,
    /// Other denied products, as distances of their indexes.
    b: Vec<usize>,
}

fn letter(standing: Standing) -> char {
    match standing {
        Standing::Allowed => 'A',
        Standing::Denied => 'D',
        Standing::Unlisted => 'U',
    }
}

/// The sign of a product that does not differ.
fn sign(standing: Standing) -> &'static str {
    match standing {
        Standing::Allowed => "✓",
        Standing::Denied => "✕",
        Standing::Unlisted => "·",
    }
}

pub(crate) fn products(model: &Model) -> BTreeSet<&str> {
    let listed = model.management.iter();
    let listed = listed.flat_map(|of| of.allowed.iter().chain(&of.denied));
    let differing = model.links.iter().flat_map(|link| &link.differing);
    let all = listed
        .chain(differing.map(|cell| &cell.product))
        .map(ProductId::as_str);
    let besides = model.links.iter().flat_map(|link| &link.denied_besides);
    all.chain(besides.map(String::as_str)).collect()
}

/// The matrix of the model.
pub(crate) fn coded(model: &Model) -> Coded<'_> {
    let products = products(model);
    let places: BTreeMap<_, _> = products.iter().copied().zip(0..).collect();
    let followed: BTreeSet<_> = model.links.iter().map(followed).collect();
    let followed: Vec<_> = followed.into_iter().collect();
    let management = followed.iter().map(|(sources, conflict)| CodedManagement {
        id: sources.to_string(),
        s: wanted(&model.management, sources, *conflict).map(|lists| letters(&lists, &products)),
    });
    let standings = Standing::ALL.map(|of| [of.as_str(), sign(of), of.as_str()]);
    let kinds = Kind::ALL
        .iter()
        .map(|kind| [kind.as_str(), kind.sign(), kind.text()]);
    let signs = standings.into_iter().chain([["unknown", "?", "not known"]]);
    let states = State::ALL.iter();
    Coded {
        made: model.made_at.to_string(),
        m: management.collect(),
        l: model
            .links
            .iter()
            .map(|link| of_link(link, &followed, &places))
            .collect(),
        n: names(model, &places),
        p: products.into_iter().collect(),
        r: &model.reasons,
        signs: signs.chain(kinds).collect(),
        states: states
            .map(|state| [state.as_str(), state.sign(), state.text()])
            .collect(),
    }
}

fn names<'a>(model: &'a Model, places: &BTreeMap<&str, usize>) -> BTreeMap<usize, &'a str> {
    let names = model.names.iter();
    names
        .filter_map(|(product, name)| Some((*places.get(product.as_str())?, name)))
        .collect()
}

/// What a link follows, and its rule for conflicts.
fn followed(link: &Link) -> (&Sources, Conflict) {
    (&link.sources, link.conflict)
}

/// The lists that the management experiences want together. None if one of them is not known.
pub(crate) fn wanted(
    management: &[ManagementLists],
    sources: &Sources,
    conflict: Conflict,
) -> Option<PolicySnapshot> {
    let lists = sources.iter().map(|id| {
        let mut known = management.iter();
        let known = known.find(|of| of.experience == *id && of.fault.is_none())?;
        let (allowed, denied) = (known.allowed.clone(), known.denied.clone());
        Some(PolicySnapshot::new(allowed, denied))
    });
    let lists: Vec<_> = lists.collect::<Option<_>>()?;
    Some(PolicySnapshot::union(&lists, conflict))
}

fn letters(policy: &PolicySnapshot, products: &BTreeSet<&str>) -> String {
    let listed = |product: &&str| {
        let product = ProductId::new(*product).ok();
        product.map_or(Standing::Unlisted, |product| policy.standing(&product))
    };
    products.iter().map(listed).map(letter).collect()
}

/// Converts ascending indexes to distances.
fn distances(places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut before = 0;
    places
        .map(|place| place - std::mem::replace(&mut before, place))
        .collect()
}

fn of_link<'a>(
    link: &'a Link,
    all: &[(&Sources, Conflict)],
    places: &BTreeMap<&str, usize>,
) -> CodedLink<'a> {
    let place = |product: &str| places.get(product).copied();
    // Ordered by product, each once, whatever the order of the input.
    let cells = link.differing.iter();
    let cells: BTreeMap<_, _> = cells
        .filter_map(|cell| Some((place(cell.product.as_str())?, cell)))
        .collect();
    let besides = link.denied_besides.iter();
    let besides: BTreeSet<_> = besides.filter_map(|product| place(product)).collect();
    let mut reasons: Vec<(usize, usize)> = Vec::new();
    for cell in cells.values() {
        match reasons.last_mut() {
            Some((reason, times)) if *reason == cell.why => *times += 1,
            _ => reasons.push((cell.why, 1)),
        }
    }
    let edits = cells.values().enumerate();
    CodedLink {
        member: &link.member,
        account: &link.account,
        experience: link.experience.as_deref(),
        m: all.iter().position(|of| *of == followed(link)),
        mode: link.mode,
        state: link.state,
        stale: link.stale,
        step: link.last_in_sync.map(|at| at.to_string()),
        frozen: link.frozen_since.map(|at| at.to_string()),
        open: link.open,
        quarantined: link.quarantined,
        letters: link.dead_letters,
        fault: link.fault.as_ref(),
        e: edits
            .filter_map(|(at, cell)| Some((at, cell.edited_since?.to_string())))
            .collect(),
        s: cells.values().map(|cell| letter(cell.standing)).collect(),
        w: cells
            .values()
            .map(|cell| match cell.wanted {
                Action::Allow => 'A',
                Action::Deny => 'D',
            })
            .collect(),
        p: distances(cells.into_keys()),
        r: reasons,
        b: distances(besides.into_iter()),
    }
}
