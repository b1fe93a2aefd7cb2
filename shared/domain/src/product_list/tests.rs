//! What files say, what is wrong with them, and what follows from them.

mod edit;
mod places;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::rows::MOST_PROBLEMS;
use super::*;
use crate::ids::ChangeSetId;
use crate::lane::{ChangeError, Failed};
use crate::plan::Plan;
use crate::policy::{PolicySnapshot, Standing};

fn id(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

#[track_caller]
fn rows(text: &str) -> Vec<(String, Action, Option<String>)> {
    let read = read(text.as_bytes()).unwrap();
    let rows = read.rows.into_iter();
    rows.map(|row| (row.product, row.action, row.notes))
        .collect()
}

fn allowed(product: &str) -> (String, Action, Option<String>) {
    (product.to_owned(), Action::Allow, None)
}

/// The problems of a text, as `line:column: message`.
#[track_caller]
fn problems(text: &str) -> Vec<String> {
    let invalid = read(text.as_bytes()).unwrap_err();
    invalid.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_spreadsheet_is_read_as_people_and_programs_write_it() {
    let denied = (
        "prod-b".to_owned(),
        Action::Deny,
        Some("too, \"dear\"".to_owned()),
    );
    let expected = vec![allowed("prod-a"), denied];
    for text in [
        "product_id,standing,notes\nprod-a,allowed,\nprod-b,denied,\"too, \"\"dear\"\"\"\n",
        // As Excel writes it where the comma is in numbers: with a mark, semicolons and CRLF.
        "\u{feff}Product ID;Status;Notes\r\nprod-a;Allow;\r\nprod-b;DENIED;\"too, \"\"dear\"\"\"\r\n",
        "sep=;\r\nID;Action;Comment\r\nprod-a;approved;\r\nprod-b;blocked;\"too, \"\"dear\"\"\"",
        "# ours\n\nurl\tstanding\tnote\n  prod-a \tallow\n# not this one\n\t\t\nprod-b\tdeny\ttoo, \"dear\"\n",
        r#"[{"id": "prod-a"}, {"product_id": "prod-b", "standing": "denied", "notes": "too, \"dear\""}]"#,
        "{\"schema\": 1, \"products\": [\"prod-a\",\n{\"id\":\"prod-b\",\"status\":\"deny\",\"note\":\"too, \\\"dear\\\"\",\"name\":null}], \"more\": 1}",
    ] {
        assert_eq!(rows(text), expected, "{text}");
    }
}

#[test]
fn a_plain_list_needs_no_header() {
    let expected = vec![
        allowed("prod-a"),
        allowed("https://aws.amazon.com/marketplace/pp/prodview-x"),
    ];
    for end in ["\n", "\r\n", "\r"] {
        let text = format!(
            "prod-a{end}# a comment{end}{end}https://aws.amazon.com/marketplace/pp/prodview-x"
        );
        assert_eq!(rows(&text), expected, "{end:?}");
    }
    assert_eq!(
        rows("\"Acme, Inc. Firewall\"\n"),
        [allowed("Acme, Inc. Firewall")]
    );
}

#[test]
fn an_id_counts_before_an_address_and_an_address_before_a_name() {
    let text = "Name,Product ID,URL\nA,prod-a,u\nB,,https://b\nC,,\n";
    assert_eq!(
        rows(text),
        [allowed("prod-a"), allowed("https://b"), allowed("C")]
    );
    // In the plural, too.
    assert_eq!(
        rows("Products,Product Name\nprod-a,A\n"),
        [allowed("prod-a")]
    );
    assert_eq!(rows("Names,Links\nA,https://a\n"), [allowed("https://a")]);
    let text = r#"[{"name": "A", "url": "https://a", "id": ""}]"#;
    assert_eq!(rows(text), [allowed("https://a")]);
}

#[test]
fn every_problem_is_told_at_once_with_its_line_and_column() {
    let text = "product_id,standing\nprod-a,maybe\n\n\"prod-b\" x,allowed\n,denied\nprod-c,\nprod-d,denied,extra\n é \"x\",allowed\n \"prod-e\",allowed\nprod-f,\"allowed\nprod-g,allowed\n";
    assert_eq!(
        problems(text),
        [
            "2:8: \"maybe\" is here, and \"allowed\" or \"denied\" is expected",
            "4:1: text follows the closing quote; a quote within quotes is written twice",
            "5:1: the row names no product",
            "6:8: nothing is here, and \"allowed\" or \"denied\" is expected",
            "7:15: the row has more cells than the header; quote what contains the separator",
            "9:1: a blank stands before the quote; remove it",
            "10:8: the quote that begins here is not closed",
        ]
    );
}

#[test]
fn a_quote_that_is_not_closed_is_told_once_wherever_it_is() {
    let told = "the quote that begins here is not closed";
    for (text, at) in [
        ("product_id,\"standing\nprod-a,allowed\n", "1:12"),
        ("\"prod-a\nprod-b\n", "1:1"),
        ("prod-a\n\"prod-b\nprod-c,\n", "2:1"),
        ("id,standing\n\"prod-a,allowed\nprod-b,denied\n", "2:1"),
        ("id,standing\nprod-a,\"allowed\nprod-b,denied\n", "2:8"),
        ("id,notes\nprod-a,one,\"two\nprod-b,x\n", "2:12"),
    ] {
        assert_eq!(problems(text), [format!("{at}: {told}")], "{text}");
    }
}

#[test]
fn the_good_rows_are_known_beside_the_problems_of_the_others() {
    for text in [
        "id,standing\nprod-a,allowed\nprod-b,perhaps\nprod-a,denied\n",
        "[\"prod-a\",\n7,\n{\"id\": \"prod-a\", \"standing\": \"denied\"}]",
    ] {
        let read = read_with_problems(text.as_bytes()).unwrap();
        assert_eq!((read.rows.len(), read.problems.len()), (2, 1), "{text}");
        let rows = read.rows.into_iter();
        let rows = rows.map(|row| (row.clone(), id(&row.product)));
        assert_eq!(Wanted::with_problems(rows).1.len(), 1, "{text}");
    }
}

#[test]
fn a_header_that_would_be_misunderstood_is_refused() {
    for (text, part) in [
        (
            "Software;Status\nA;allow\n",
            "1:1: no column names products",
        ),
        (
            "ID,Product\n1,A\n",
            "1:4: the columns \"ID\" and \"Product\" say the same",
        ),
        (
            "prod-a,denied\n",
            "1:8: there are several columns and no header",
        ),
        // What a column with a mistyped name denies would be allowed.
        (
            "id,standng\nprod-a,denied\nprod-b,allowed\n",
            "1:4: the column \"standng\" says allowed or denied",
        ),
        (
            "product,approved\nprod-a,yes\nprod-b,no\n",
            "1:9: the column \"approved\" says allowed or denied",
        ),
        (
            r#"[{"id": "prod-a", "approved": false}]"#,
            "1:2: \"approved\" says allowed or denied",
        ),
        (
            r#"[{"id": "prod-a", "standng": "denied"}]"#,
            "1:2: \"standng\" says allowed or denied",
        ),
    ] {
        let found = problems(text);
        assert!(
            found.len() == 1 && found[0].starts_with(part),
            "{text}: {found:?}"
        );
    }
    let read = read(b"id,owner\nprod-a,me\nprod-b,denied\n").unwrap();
    assert_eq!(
        (read.rows.len(), read.ignored),
        (2, vec!["\"owner\"".to_owned()])
    );
}

#[test]
fn json_that_is_none_or_says_something_else_is_refused_with_the_place() {
    assert_eq!(
        problems("[\"prod-a\",\n  oops]"),
        ["2:3: this is not JSON: expected value"]
    );
    assert_eq!(
        problems(
            "{\"products\":\n [7, {\"id\": 1},\n  {\"name\": \"x\", \"status\": \"perhaps\"}]}"
        ),
        [
            "2:3: \"7\" is no product: a text or an object is expected",
            "2:6: \"id\" is \"1\", and a text is expected",
            "2:6: it names no product",
            "3:3: \"status\" is \"perhaps\", and \"allowed\" or \"denied\" is expected",
        ]
    );
    assert!(problems("{\"items\": []}")[0].contains("a list named \"products\""));
}

#[test]
fn a_file_that_is_no_text_or_too_large_or_empty_is_refused() {
    let told = |bytes: &[u8]| read(bytes).unwrap_err().problems[0].to_string();
    assert!(told(&[0xff, 0xfe, b'a', 0]).contains("UTF-16"));
    assert!(
        told(b"id\nprod-a\nM\xfcller\n").starts_with("3:2: the character here is not in UTF-8")
    );
    assert!(told(&vec![b'a'; MOST_BYTES + 1]).contains("at most"));
    for empty in ["", "\u{feff}\n\n", "product_id\n", "[]", "# nothing\n"] {
        assert_eq!(
            told(empty.as_bytes()),
            "1:1: no row names a product",
            "{empty:?}"
        );
    }
    let long = "x".repeat(MOST_PRODUCT + 1);
    assert!(told(format!("id\n{long}\n").as_bytes()).contains("at most 2048 are read"));
}

#[test]
fn a_file_has_a_bounded_number_of_rows_and_tells_a_bounded_number_of_problems() {
    let many = |count: usize| {
        (0..count).fold("id\n".to_owned(), |mut text, number| {
            let _ = writeln!(text, "prod-{number}");
            text
        })
    };
    assert_eq!(
        read(many(MOST_ROWS).as_bytes()).unwrap().rows.len(),
        MOST_ROWS
    );
    let found = problems(&many(MOST_ROWS + 1));
    assert_eq!(
        found,
        [format!(
            "{}:1: at most {MOST_ROWS} products are read",
            MOST_ROWS + 2
        )]
    );
    let wrong = "x,maybe\n".repeat(500);
    let found = problems(&format!("id,standing\n{wrong}"));
    assert_eq!(found.len(), MOST_PROBLEMS + 1);
    assert_eq!(
        found[MOST_PROBLEMS],
        "102:3: and 400 problems here and below"
    );
}

fn wanted(text: &str) -> Result<Wanted, InvalidList> {
    let rows = read(text.as_bytes()).unwrap().rows.into_iter();
    Wanted::new(rows.map(|row| {
        let product = id(&row.product);
        (row, product)
    }))
}

#[test]
fn a_product_on_both_lists_is_a_problem_and_a_repeated_one_is_named() {
    let text = "id,standing,notes\na,allowed,\nb,denied,x\na,allow,later\nb,allowed,\nb,denied,\n";
    let found = wanted(text).unwrap_err();
    let found: Vec<_> = found.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["5:1: b is to be allowed here and denied in line 3"]);
    let good = wanted("id,notes\na,\na,later\nb,\n").unwrap();
    assert_eq!(
        good.repeated,
        [Repeated {
            product: id("a"),
            line: 2,
            again: 3
        }]
    );
    assert_eq!(good.products[&id("a")].notes.as_deref(), Some("later"));
    assert_eq!(good.products.len(), 2);
}

fn set(products: &[&str]) -> BTreeSet<ProductId> {
    products.iter().map(|product| id(product)).collect()
}

#[test]
fn a_file_adds_to_the_lists_and_an_exact_one_is_the_allow_list() {
    let actual = PolicySnapshot::new(["a", "b", "x", "both"].map(id), ["c", "y", "both"].map(id));
    let file =
        wanted("id,standing\na,allowed\nb,denied\nc,allowed\nd,allowed\ne,denied\nboth,allowed\n")
            .unwrap();
    let adds = difference(&actual, &file, false);
    assert_eq!(
        adds.plan,
        Plan::new(set(&["both", "c", "d"]), set(&["b", "e"]))
    );
    assert_eq!(adds.in_place, 1);
    assert_eq!(
        (&adds.only_there, &adds.stay_denied),
        (&set(&["x"]), &set(&["y"]))
    );
    let exact = difference(&actual, &file, true);
    assert_eq!(
        exact.plan,
        Plan::new(set(&["both", "c", "d"]), set(&["b", "e", "x"]))
    );
    let after = actual.overlaid(
        exact
            .plan
            .changes()
            .map(|change| (change.product, change.action))
            .collect::<Vec<_>>()
            .iter()
            .map(|(product, action)| (product, *action)),
    );
    assert_eq!(after.allowed(), &set(&["a", "both", "c", "d"]));
    assert!(difference(&after, &file, true).plan.is_empty());
}

fn products(prefix: &str, count: usize) -> BTreeSet<ProductId> {
    (0..count)
        .map(|number| id(&format!("{prefix}{number:05}")))
        .collect()
}

/// Applies an edit to a service that rejects these products. Returns the change sets.
fn apply(plan: &Plan, bad: &BTreeSet<ProductId>, names_kind: bool) -> (Edit, Vec<Plan>) {
    let mut edit = Edit::new(plan.clone());
    let mut sets = Vec::new();
    let set_id: ChangeSetId = "cs1".parse().unwrap();
    while let Some(batch) = edit.next_set() {
        assert!(batch.allow().len() <= 50 && batch.deny().len() <= 50);
        assert!(
            batch.is_part_of(edit.todo()),
            "nothing is tried twice that is done"
        );
        let wrong = |products: &BTreeSet<ProductId>| products.intersection(bad).next().is_some();
        let errors = [
            (Action::Allow, wrong(batch.allow())),
            (Action::Deny, wrong(batch.deny())),
        ];
        let errors: Vec<_> = errors
            .into_iter()
            .filter(|(_, wrong)| *wrong)
            .map(|(action, _)| ChangeError {
                action,
                code: "BAD".to_owned(),
                message: "x".to_owned(),
            })
            .collect();
        sets.push(batch.clone());
        if errors.is_empty() {
            edit.applied(&batch);
        } else {
            let errors = if names_kind { errors } else { Vec::new() };
            let failed = Failed {
                errors,
                description: Some("no".to_owned()),
            };
            edit.rejected(&batch, &failed, &set_id);
        }
        if edit.is_hopeless() {
            break;
        }
        assert!(sets.len() < 2_000, "it does not end");
    }
    (edit, sets)
}

#[test]
fn an_edit_takes_the_fewest_change_sets() {
    for (allow, deny, fewest) in [
        (0, 0, 0),
        (1, 0, 1),
        (50, 50, 1),
        (51, 1, 2),
        (10_000, 9_000, 200),
        (3, 101, 3),
    ] {
        let plan = Plan::new(products("a", allow), products("d", deny));
        let (edit, sets) = apply(&plan, &BTreeSet::new(), true);
        assert_eq!((sets.len(), plan.fewest_change_sets()), (fewest, fewest));
        assert!(edit.todo().is_empty() && edit.refused().is_empty());
    }
}

#[test]
fn a_product_that_the_service_rejects_keeps_nothing_else_from_being_applied() {
    let plan = Plan::new(products("a", 120), products("d", 120));
    for names_kind in [true, false] {
        for bad in [
            set(&["a00007"]),
            set(&["a00000", "a00049", "d00100"]),
            set(&["d00119"]),
        ] {
            let (edit, sets) = apply(&plan, &bad, names_kind);
            let refused: BTreeSet<_> = edit
                .refused()
                .iter()
                .map(|refusal| refusal.change.product.clone())
                .collect();
            assert_eq!(refused, bad);
            assert!(edit.todo().is_empty());
            assert!(
                sets.len() <= 3 + bad.len() * 16,
                "{} change sets",
                sets.len()
            );
        }
    }
}

#[test]
fn an_edit_is_given_up_if_everything_is_rejected() {
    let plan = Plan::new(products("a", 500), BTreeSet::new());
    let (edit, sets) = apply(&plan, plan.allow(), true);
    assert!(
        edit.is_hopeless() && edit.refused().len() == 3,
        "{}",
        sets.len()
    );
    let some: BTreeSet<_> = products("a", 400).into_iter().skip(50).collect();
    let (edit, _) = apply(&plan, &some, true);
    assert!(edit.is_hopeless() && edit.refused().len() == MOST_REFUSED);
}

#[test]
fn what_was_rejected_is_not_planned_again_when_the_lists_are_read_again() {
    let plan = Plan::new(products("a", 2), BTreeSet::new());
    let (mut edit, _) = apply(&plan, &set(&["a00001"]), true);
    edit.replan(plan);
    assert_eq!(edit.todo(), &Plan::new(set(&["a00000"]), BTreeSet::new()));
}

#[test]
fn ten_thousand_rows_are_compared_with_nine_thousand_products() {
    let mut text = "product_id,name,standing,notes\n".to_owned();
    for number in 0..10_000 {
        let _ = writeln!(
            text,
            "prod-{number:013},\"Product, {number}\",allowed,as asked for"
        );
    }
    let there = (1_000..10_000).map(|number| id(&format!("prod-{number:013}")));
    let actual = PolicySnapshot::new(there, []);
    let wanted = wanted(&text).unwrap();
    let found = difference(&actual, &wanted, true);
    assert_eq!((found.plan.allow().len(), found.in_place), (1_000, 9_000));
    assert_eq!(found.plan.fewest_change_sets(), 20);
}

fn exported() -> impl Strategy<Value = ExportedProduct> {
    let text = prop_oneof!["[ -~]{0,60}", "\\PC{0,20}", "[=+'@#;,\"\t-]{0,6}"];
    let id = "[!$-&(-+\\--\\[\\]-_a-~]{1,50}";
    (
        id,
        any::<bool>(),
        proptest::option::of(text.clone()),
        proptest::option::of(text),
    )
        .prop_map(|(product, allowed, name, notes)| ExportedProduct {
            product_id: ProductId::new(product).unwrap(),
            standing: if allowed {
                Standing::Allowed
            } else {
                Standing::Denied
            },
            name,
            notes,
        })
}

proptest! {
    /// What is exported is read as it was, whatever names and notes contain.
    #[test]
    fn what_is_exported_is_imported_as_it_was(products in proptest::collection::vec(exported(), 1..20)) {
        let export = Export {
            schema: 1,
            management_experience: "exp-1".parse().unwrap(),
            products,
        };
        let expected: Vec<_> = export.products.iter().map(|product| {
            let action = if product.standing == Standing::Allowed { Action::Allow } else { Action::Deny };
            let notes = product.notes.as_deref().map(words::note).filter(|note| !note.is_empty());
            (product.product_id.to_string(), action, notes)
        }).collect();
        prop_assert_eq!(rows(&to_csv(&export)), expected.clone());
        let json = to_json(&export).unwrap();
        prop_assert_eq!(rows(&json), expected);
        let again: Export = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(again, export);
    }

    /// Reading never fails in another way than with problems that have a place.
    #[test]
    fn any_bytes_are_rows_or_problems(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[a-z,;\"\r\n\t {}\\[\\]:#=']{0,80}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            match read(bytes) {
                Ok(rows) => prop_assert!(!rows.rows.is_empty()),
                Err(invalid) => prop_assert!(invalid.problems.iter().all(|one| one.line >= 1 && one.column >= 1) && !invalid.problems.is_empty()),
            }
        }
    }
}
