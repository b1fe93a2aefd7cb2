//! The matrix as the page's script reads it: every product, member and reason once, and of each member
//! experience only where it stands otherwise than its management experience.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{Action, Link, Management, Model, Reason, Standing};

/// What the script reads. Short names: there may be 400,000 cells.
#[derive(Debug, Serialize)]
pub(crate) struct Coded<'a> {
    made: String,
    /// The products, in the order of their ids.
    p: Vec<&'a str>,
    m: Vec<CodedManagement<'a>>,
    l: Vec<CodedLink<'a>>,
    r: &'a [Reason],
}

#[derive(Debug, Serialize)]
struct CodedManagement<'a> {
    id: &'a str,
    /// One letter for each product; null if it cannot be read.
    s: Option<String>,
}

#[derive(Debug, Serialize)]
struct CodedLink<'a> {
    member: &'a str,
    account: &'a str,
    experience: Option<&'a str>,
    /// The place of its management experience.
    m: Option<usize>,
    mode: crate::model::Mode,
    state: crate::model::State,
    stale: bool,
    step: Option<String>,
    frozen: Option<String>,
    open: usize,
    quarantined: usize,
    letters: Option<usize>,
    fault: Option<&'a crate::model::Fault>,
    /// The places of the products that differ, each as its distance from the one before.
    p: Vec<usize>,
    /// Where they stand, one letter each.
    s: String,
    /// What is to be done to them, one letter each.
    w: String,
    /// The reasons' places, and for how many products in a row.
    r: Vec<(usize, usize)>,
    /// Outside edits, by the place among those that differ.
    e: BTreeMap<usize, String>,
    /// Products that are denied besides, as distances.
    b: Vec<usize>,
}

fn letter(standing: Standing) -> char {
    match standing {
        Standing::Allowed => 'A',
        Standing::Denied => 'D',
        Standing::Unlisted => 'U',
    }
}

pub(crate) fn products(model: &Model) -> BTreeSet<&str> {
    let listed = model.management.iter();
    let listed = listed.flat_map(|of| of.allowed.iter().chain(&of.denied));
    let differing = model.links.iter().flat_map(|link| &link.differing);
    let differing = differing.map(|cell| &cell.product);
    let besides = model.links.iter().flat_map(|link| &link.denied_besides);
    let all = listed.chain(differing).chain(besides);
    all.map(String::as_str).collect()
}

/// The model's matrix.
pub(crate) fn coded(model: &Model) -> Coded<'_> {
    let products = products(model);
    let places: BTreeMap<_, _> = products.iter().copied().zip(0..).collect();
    let management = model.management.iter().map(|of| CodedManagement {
        id: &of.experience,
        s: of.fault.is_none().then(|| lists(of, &products)),
    });
    Coded {
        made: model.made_at.to_string(),
        m: management.collect(),
        l: model
            .links
            .iter()
            .map(|link| of_link(link, model, &places))
            .collect(),
        p: products.into_iter().collect(),
        r: &model.reasons,
    }
}

fn lists(management: &Management, products: &BTreeSet<&str>) -> String {
    let set = |list: &'_ [String]| -> BTreeSet<String> { list.iter().cloned().collect() };
    let (allowed, denied) = (set(&management.allowed), set(&management.denied));
    let standing = |product: &&str| {
        if denied.contains(*product) {
            Standing::Denied
        } else if allowed.contains(*product) {
            Standing::Allowed
        } else {
            Standing::Unlisted
        }
    };
    products.iter().map(standing).map(letter).collect()
}

/// Rising places as distances.
fn distances(places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut before = 0;
    places
        .map(|place| place - std::mem::replace(&mut before, place))
        .collect()
}

fn of_link<'a>(link: &'a Link, model: &Model, places: &BTreeMap<&str, usize>) -> CodedLink<'a> {
    let place = |product: &str| places.get(product).copied();
    // In the order of the products, each once, whatever order they came in.
    let cells = link.differing.iter();
    let cells: BTreeMap<_, _> = cells
        .filter_map(|cell| Some((place(&cell.product)?, cell)))
        .collect();
    let besides = link.denied_besides.iter();
    let besides: BTreeSet<_> = besides.filter_map(|product| place(product)).collect();
    let mut reasons: Vec<(usize, usize)> = Vec::new();
    for cell in cells.values() {
        match reasons.last_mut() {
            Some((reason, times)) if *reason == cell.reason => *times += 1,
            _ => reasons.push((cell.reason, 1)),
        }
    }
    let mut management = model.management.iter();
    let edits = cells.values().enumerate();
    CodedLink {
        member: &link.member,
        account: &link.account,
        experience: link.experience.as_deref(),
        m: management.position(|of| of.experience == link.management_experience),
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
