//! Where something is in a file, and what is wanted without one.

use super::*;

#[test]
fn a_place_is_shown_as_line_and_column() {
    let place = Place {
        line: 12,
        column: 3,
    };
    assert_eq!(place.to_string(), "12:3");
}

#[test]
fn without_a_file_each_product_is_wanted_on_the_same_list() {
    for action in [Action::Allow, Action::Deny] {
        let wanted = Wanted::all([id("prod-a"), id("prod-b")], action);
        assert_eq!(wanted.repeated, []);
        let found: Vec<_> = wanted.products.into_iter().collect();
        let one = WantedProduct {
            action,
            notes: None,
            at: Place { line: 1, column: 1 },
        };
        assert_eq!(found, [(id("prod-a"), one.clone()), (id("prod-b"), one)]);
    }
}
