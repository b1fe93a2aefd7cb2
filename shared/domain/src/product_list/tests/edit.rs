//! What an edit tries next.

use super::*;

#[test]
fn a_change_set_that_was_not_started_is_tried_again_before_the_rest() {
    let plan = Plan::new(products("a", 60), BTreeSet::new());
    let mut edit = Edit::new(plan);
    let all = edit.next_set().unwrap();
    assert_eq!(all.len(), 50);
    let part = Plan::new(products("a", 2), BTreeSet::new());
    edit.again(part.clone());
    assert_eq!(edit.next_set(), Some(part.clone()));
    // What is done in the meantime is not tried again.
    edit.again(part.clone());
    edit.applied(&part);
    let rest = edit.next_set().unwrap();
    assert_eq!(rest.len(), 50);
    assert!(rest.opposed_to(&part).is_empty());
    assert!(part.allow().is_disjoint(rest.allow()));
}
