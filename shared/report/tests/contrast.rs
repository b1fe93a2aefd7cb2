//! Every text can be read in both palettes: WCAG AA, 4.5 to 1.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

const STYLE: &str = include_str!("../assets/report.css");

/// What a colour is in the light palette and in the dark one.
fn colours(name: &str) -> [f64; 2] {
    let begin = format!("--{name}: light-dark(");
    let (_, rest) = STYLE.split_once(&begin).unwrap_or_else(|| panic!("{name}"));
    let (light, rest) = rest.split_once(", ").unwrap();
    let (dark, _) = rest.split_once(')').unwrap();
    [light, dark].map(luminance)
}

/// Relative luminance as WCAG 2 defines it.
fn luminance(colour: &str) -> f64 {
    let channel = |place: usize| {
        let value = u8::from_str_radix(&colour[place..place + 2], 16).unwrap();
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn every_text_stands_out_from_what_is_behind_it() {
    let everywhere = [
        "text", "muted", "accent", "green", "blue", "amber", "red", "violet", "grey", "orange",
    ];
    let mut pairs: Vec<_> = everywhere
        .iter()
        .flat_map(|text| [(*text, "bg"), (*text, "raised")])
        .collect();
    pairs.extend([
        ("blue", "blue-tint"),
        ("amber", "amber-tint"),
        ("red", "red-tint"),
        ("violet", "violet-tint"),
        ("grey", "grey-tint"),
    ]);
    for (text, behind) in pairs {
        let both = colours(text).into_iter().zip(colours(behind));
        for ((text_is, behind_is), palette) in both.zip(["light", "dark"]) {
            let (low, high) = (text_is.min(behind_is), text_is.max(behind_is));
            let contrast = (high + 0.05) / (low + 0.05);
            assert!(
                contrast >= 4.5,
                "{text} on {behind}, {palette}: {contrast:.2}"
            );
        }
    }
}
