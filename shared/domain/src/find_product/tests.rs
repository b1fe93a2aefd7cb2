use super::*;

fn id(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn known() -> Vec<KnownProduct> {
    [
        (
            "prod-aaaa",
            "MongoDB Atlas",
            "MongoDB, Inc.",
            "prodview-one",
        ),
        (
            "prod-bbbb",
            "MongoDB Atlas (pay as you go)",
            "MongoDB, Inc.",
            "prodview-two",
        ),
        (
            "prod-cccc",
            "Trend Micro Cloud One",
            "Trend Micro",
            "prodview-three",
        ),
        (
            "1d288c71-65f9-489a-a3e2-9c7f4f6e6a85",
            "AI21 Labs Jurassic-2 Mid",
            "",
            "",
        ),
        ("odd", "", "", ""),
    ]
    .into_iter()
    .map(|(of, name, manufacturer, listing)| KnownProduct {
        id: id(of),
        name: name.to_owned(),
        manufacturer: manufacturer.to_owned(),
        listing: listing.to_owned(),
    })
    .collect()
}

/// The ids that a text is found as, with a sign for the kind of result.
fn found(text: &str) -> (char, Vec<String>) {
    let known = known();
    let reference = Reference::parse(text).unwrap();
    let (sign, found) = match find(&reference, &known) {
        Matches::One(one) => ('=', vec![one]),
        Matches::Several(several) => ('+', several),
        Matches::None(similar) => ('?', similar),
    };
    let ids = found.iter().map(|product| product.id.to_string());
    (sign, ids.collect())
}

#[test]
fn an_id_a_name_a_part_of_one_and_an_address_find_the_product() {
    for (text, sign, ids) in [
        ("prod-aaaa", '=', &["prod-aaaa"][..]),
        ("PROD-AAAA", '=', &["prod-aaaa"]),
        ("odd", '=', &["odd"]),
        // The full name comes before the part of another.
        ("mongodb  ATLAS", '=', &["prod-aaaa"]),
        ("pay as you", '=', &["prod-bbbb"]),
        ("jurassic 2", '=', &["1d288c71-65f9-489a-a3e2-9c7f4f6e6a85"]),
        ("mongodb", '+', &["prod-aaaa", "prod-bbbb"]),
        // Words in any order, with those of the manufacturer.
        ("cloud trend", '=', &["prod-cccc"]),
        ("mongodb inc pay", '=', &["prod-bbbb"]),
        ("prodview-three", '=', &["prod-cccc"]),
        (
            "https://aws.amazon.com/marketplace/pp/prodview-two?sr=0-1&ref_=beagle",
            '=',
            &["prod-bbbb"],
        ),
        ("prodview-unknown", '?', &[]),
        ("MongDB", '?', &["prod-aaaa", "prod-bbbb"]),
        ("trend micor", '?', &["prod-cccc"]),
        ("prod-aaab", '?', &["prod-aaaa"]),
        ("prod-doesnotexist", '?', &[]),
        ("zzzzzzzz", '?', &[]),
        ("--", '?', &[]),
    ] {
        assert_eq!(
            found(text),
            (sign, ids.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
}

#[test]
fn two_products_of_one_name_are_both_meant() {
    let mut known = known();
    known[1].name = "mongodb atlas".to_owned();
    let reference = Reference::parse("MongoDB Atlas").unwrap();
    let Matches::Several(several) = find(&reference, &known) else {
        panic!("two have this name");
    };
    assert_eq!(several.len(), 2);
}

#[test]
fn an_address_is_read_as_its_site_writes_it() {
    let uuid = "1d288c71-65f9-489a-a3e2-9c7f4f6e6a85";
    for (url, reference) in [
        (
            "https://aws.amazon.com/marketplace/pp/prodview-abc123?ref_=x",
            Reference::Listing("prodview-abc123".to_owned()),
        ),
        (
            "aws.amazon.com/marketplace/pp/prodview-abc123",
            Reference::Listing("prodview-abc123".to_owned()),
        ),
        (
            "HTTP://AWS.amazon.com/de/marketplace/pp/prodview-abc123/",
            Reference::Listing("prodview-abc123".to_owned()),
        ),
        (
            "https://aws.amazon.com/marketplace/saas/ordering?productId=1d288c71-65f9-489a-a3e2-9c7f4f6e6a85&offerId=offer-1",
            Reference::Id(id(uuid)),
        ),
        (
            "https://us-east-1.console.aws.amazon.com/marketplace/home?region=us-east-1#/subscriptions/prod-abc",
            Reference::Id(id("prod-abc")),
        ),
    ] {
        assert_eq!(Reference::parse(url), Ok(reference), "{url}");
    }
    let refused = |text: &str| Reference::parse(text).unwrap_err();
    for url in [
        "https://example.com/marketplace/pp/prodview-abc",
        "https://aws.amazon.com.example.com/pp/prodview-abc",
        "https://notaws.amazon.com/pp/prodview-abc",
        "https://aws.amazon.com@example.com/pp/prodview-abc",
    ] {
        assert!(
            matches!(refused(url), NoReference::ElsewhereUrl(_)),
            "{url}"
        );
    }
    for url in [
        "https://aws.amazon.com/marketplace/pp/B01ABCDEFG?ref_=prodview-abc",
        "https://aws.amazon.com",
    ] {
        assert!(
            matches!(refused(url), NoReference::UrlOfNoProduct(_)),
            "{url}"
        );
    }
    assert_eq!(refused("  "), NoReference::Nothing);
    assert_eq!(refused(&"x".repeat(LONGEST_TEXT + 1)), NoReference::TooLong);
}

#[test]
fn a_text_of_another_form_is_words() {
    for text in [
        "MongoDB",
        "prod-",
        "prodview-",
        "prod view",
        "1d288c71-65f9",
    ] {
        assert_eq!(
            Reference::parse(text),
            Ok(Reference::Words(text.to_owned())),
            "{text}"
        );
    }
}

/// It is asked by a person who waits.
#[test]
fn ten_thousand_products_are_searched_at_once() {
    let known: Vec<_> = (0..10_000)
        .map(|number| KnownProduct {
            id: id(&format!("prod-{number:013}")),
            name: format!("Example product with a rather long name {number}"),
            manufacturer: "Somebody".to_owned(),
            listing: String::new(),
        })
        .collect();
    let Matches::Several(several) = find(&Reference::Words("example".to_owned()), &known) else {
        panic!("all have it");
    };
    assert_eq!(several.len(), 10_000);
    let none = find(&Reference::Words("exampel prodict".to_owned()), &known);
    assert!(matches!(none, Matches::None(similar) if similar.len() == 3));
}

#[test]
fn a_full_name_with_its_punctuation_comes_before_one_without() {
    let named = |of: &str, name: &str| KnownProduct {
        id: id(of),
        name: name.to_owned(),
        manufacturer: String::new(),
        listing: String::new(),
    };
    let known = [
        named("prod-plus", "Cohere Command R+"),
        named("prod-plain", "Cohere Command R"),
    ];
    for (text, of) in [
        ("cohere command r+", "prod-plus"),
        ("Cohere Command R", "prod-plain"),
    ] {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(
            find(&reference, &known),
            Matches::One(known.iter().find(|one| one.id == id(of)).unwrap()),
            "{text}"
        );
    }
    let reference = Reference::parse("Cohere: Command R").unwrap();
    assert!(matches!(find(&reference, &known), Matches::Several(several) if several.len() == 2));
}

#[test]
fn a_letter_or_two_are_no_part_of_a_name_and_a_control_character_is_in_none() {
    for text in ["q", "2", "-2", "mo", "5 2"] {
        assert_eq!(found(text).0, '?', "{text}");
    }
    assert_eq!(found("one").0, '=');
    assert_eq!(Reference::parse("m\0ngo"), Err(NoReference::Control));
}

#[test]
fn a_product_is_shown_with_as_much_as_is_known_of_it() {
    for (name, manufacturer, shown) in [
        ("", "", "prod-1"),
        ("", "MongoDB, Inc.", "prod-1"),
        ("Atlas", "", "prod-1 (Atlas)"),
        ("Atlas", "MongoDB, Inc.", "prod-1 (Atlas, by MongoDB, Inc.)"),
    ] {
        let product = KnownProduct {
            id: id("prod-1"),
            name: name.to_owned(),
            manufacturer: manufacturer.to_owned(),
            listing: String::new(),
        };
        assert_eq!(product.to_string(), shown);
    }
}

#[test]
fn an_id_of_the_right_beginning_has_only_letters_digits_and_dashes() {
    let is_id = |text: &str| !matches!(Reference::parse(text), Ok(Reference::Words(_)));
    for good in ["prodview-a", "prod-a1", "prod-a-b", "prod-a_b", "PROD-A"] {
        assert!(is_id(good), "{good}");
    }
    for other in ["prod-", "prodview-", "prod-a b", "prod-a.b", "prodview-a!"] {
        assert!(!is_id(other), "{other}");
    }
}

#[test]
fn a_text_names_a_product_up_to_the_longest() {
    let longest = "x".repeat(LONGEST_TEXT);
    assert_eq!(
        Reference::parse(&longest),
        Ok(Reference::Words(longest.clone()))
    );
    let longer = format!("{longest}x");
    assert_eq!(Reference::parse(&longer), Err(NoReference::TooLong));
    // White space around it does not count.
    let around = format!(" {longest} ");
    assert_eq!(Reference::parse(&around), Ok(Reference::Words(longest)));
}

#[test]
fn an_id_with_two_wrong_letters_is_similar_and_one_with_three_is_not() {
    let known = [KnownProduct::new(id("prod-abcdefghij"), None)];
    for (text, count) in [
        ("prod-abcdefghij", 1),
        ("prod-abcdefghxy", 1),
        ("prod-abcdefgxyz", 0),
    ] {
        assert_eq!(similar(text, &known).len(), count, "{text}");
    }
}

#[test]
fn words_find_a_product_by_its_manufacturer_only_if_it_has_a_name() {
    let product = |id: &str, name: &str| KnownProduct {
        id: ProductId::new(id).unwrap(),
        name: name.to_owned(),
        manufacturer: "Trend Micro".to_owned(),
        listing: String::new(),
    };
    let known = [product("prod-1", ""), product("prod-2", "Cloud One")];
    let find = |text: &str| find(&Reference::Words(text.to_owned()), &known);
    for text in ["trend", "trend cloud", "micro one"] {
        assert_eq!(find(text), Matches::One(&known[1]), "{text}");
    }
    // Each of the words is in it.
    assert_eq!(find("trend scan"), Matches::None(Vec::new()));
}
