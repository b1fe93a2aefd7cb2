//! The report for a spreadsheet: one line for each product that differs on a member experience, and
//! one for each link that cannot be observed. The page's button writes the same of what is shown.

use pmp_sync_domain::policy::Action;

use crate::html::stamp;
use crate::model::Model;

/// The first line.
pub(crate) const HEADER: [&str; 14] = [
    "member",
    "account",
    "experience",
    "product",
    "name",
    "standing",
    "desired",
    "state",
    "why",
    "since",
    "run",
    "change_set",
    "edited_since",
    "what_to_do",
];

/// A cell that a spreadsheet takes as text: what begins like a formula has an apostrophe before it.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', ';', '\t', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn line(cells: &[&str]) -> String {
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// What differs, as the page shows it at first: by product, then by member experience.
pub fn to_csv(model: &Model) -> String {
    let mut rows = Vec::new();
    for (place, link) in model.links.iter().enumerate() {
        let experience = link.experience.as_deref().unwrap_or("*");
        let member = [&link.member, &link.account, experience];
        if let Some(fault) = &link.fault {
            let why = format!("{}: {}", fault.code, fault.message);
            let rest = [
                "",
                "",
                "",
                "",
                "not known",
                &why,
                "",
                "",
                "",
                "",
                &fault.remedy,
            ];
            let cells: Vec<_> = member.into_iter().chain(rest).collect();
            rows.push((String::new(), place, line(&cells)));
            continue;
        }
        for differing in &link.differing {
            let Some(reason) = model.reasons.get(differing.why) else {
                continue;
            };
            let product = differing.product.as_str();
            let time = |at: Option<jiff::Timestamp>| at.map_or_else(String::new, stamp);
            let (since, edited) = (time(reason.since), time(differing.edited_since));
            let desired = match differing.wanted {
                Action::Allow => "allowed",
                Action::Deny => "denied",
            };
            let rest = [
                product,
                model.names.of(&differing.product).unwrap_or_default(),
                differing.standing.as_str(),
                desired,
                reason.kind.text(),
                &reason.words,
                &since,
                reason.run.as_deref().unwrap_or_default(),
                reason.change_set.as_deref().unwrap_or_default(),
                &edited,
                reason.what_to_do.as_deref().unwrap_or_default(),
            ];
            let cells: Vec<_> = member.into_iter().chain(rest).collect();
            rows.push((product.to_owned(), place, line(&cells)));
        }
    }
    rows.sort();
    let lines = rows.into_iter().map(|(_, _, line)| line);
    line(&HEADER) + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_text_to_a_spreadsheet() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("-1", "'-1"),
            ("@cmd", "'@cmd"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
