//! Where something is in a file, what is wanted without one, and how much is read.

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

#[test]
fn so_many_columns_and_keys_that_are_not_understood_are_told() {
    for count in [1, 50, 51] {
        let columns: Vec<_> = (0..count).map(|number| format!("x{number:02}")).collect();
        let told: Vec<_> = columns.iter().take(50).cloned().collect();
        let csv = format!("product_id,{}\nprod-a\n", columns.join(","));
        let keys: Vec<_> = columns.iter().map(|key| format!("{key:?}: 1")).collect();
        let json = format!("[{{\"id\": \"prod-a\", {}}}]", keys.join(", "));
        for text in [csv, json] {
            let read = read(text.as_bytes()).unwrap();
            let ignored: Vec<_> = read
                .ignored
                .iter()
                .map(|name| name.trim_matches('"'))
                .collect();
            assert_eq!(ignored, told, "{text}");
        }
    }
}

#[test]
fn a_text_of_a_file_is_shown_up_to_sixty_characters() {
    let text = |count: usize| "é".repeat(count);
    for (count, told) in [
        (1, text(1)),
        (60, text(60)),
        (61, format!("{}...", text(60))),
    ] {
        assert_eq!(words::shown(&text(count)), format!("\"{told}\""));
    }
}

#[test]
fn a_file_a_plain_list_and_a_name_are_read_up_to_their_bounds() {
    let mut text = "id\nprod-a\n#".to_owned();
    text.push_str(&"x".repeat(MOST_BYTES - text.len()));
    assert_eq!(rows(&text), [allowed("prod-a")]);
    let longest = "x".repeat(MOST_PRODUCT);
    assert_eq!(rows(&format!("id\n{longest}\n")), [allowed(&longest)]);
    let full = "prod-a\n".repeat(MOST_ROWS);
    assert_eq!(read(full.as_bytes()).unwrap().rows.len(), MOST_ROWS);
    let beyond = problems(&format!("{full}prod-b\n"));
    let at = MOST_ROWS + 1;
    assert_eq!(
        beyond,
        [format!("{at}:1: at most {MOST_ROWS} products are read")]
    );
}

#[test]
fn the_separator_is_what_stands_more_often_than_the_comma_outside_of_quotes() {
    for (text, ignored) in [
        ("product_id,a;b\nprod-a,x\n", "\"a;b\""),
        ("product_id;a;b,c\nprod-a;x;y\n", "\"a\""),
        ("product_id\ta\tb,c\nprod-a\tx\ty\n", "\"a\""),
        ("product_id,\"a;;b\"\nprod-a,x\n", "\"a;;b\""),
    ] {
        let read = read(text.as_bytes()).unwrap();
        assert_eq!(read.ignored[0], ignored, "{text}");
        assert_eq!(read.rows[0].product, "prod-a", "{text}");
    }
}

#[test]
fn only_what_would_be_a_formula_is_written_and_read_behind_an_apostrophe() {
    for (note, written) in [
        ("plain", "plain"),
        ("'quoted", "'quoted"),
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("'=1", "''=1"),
        ("=1,2", "\"'=1,2\""),
    ] {
        let export = Export {
            schema: 1,
            management_experience: "exp-1".parse().unwrap(),
            products: vec![ExportedProduct {
                product_id: id("prod-a"),
                standing: Standing::Denied,
                name: None,
                notes: Some(note.to_owned()),
            }],
        };
        let text = to_csv(&export);
        let expected = format!("product_id,standing,name,notes\nprod-a,denied,,{written}\n");
        assert_eq!(text, expected);
        let read = ("prod-a".to_owned(), Action::Deny, Some(note.to_owned()));
        assert_eq!(rows(&text), [read]);
    }
}
