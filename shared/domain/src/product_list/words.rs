//! The words of headers and cells that are understood.

use super::rows::MOST_PRODUCT;
use crate::policy::Action;
use crate::text::one_line;

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    /// The id of the product.
    Id,
    /// Its address in AWS Marketplace.
    Url,
    /// Its name.
    Name,
    /// Allowed or denied.
    Standing,
    /// A note.
    Notes,
}

const IDS: [&str; 6] = [
    "id",
    "product",
    "productid",
    "productids",
    "marketplaceid",
    "marketplaceproductid",
];
const URLS: [&str; 6] = [
    "url",
    "link",
    "producturl",
    "marketplaceurl",
    "marketplacelink",
    "listingurl",
];
const NAMES: [&str; 5] = [
    "name",
    "productname",
    "title",
    "producttitle",
    "listingname",
];
const STANDINGS: [&str; 6] = ["standing", "status", "action", "list", "decision", "effect"];
const NOTES: [&str; 5] = ["notes", "note", "comment", "comments", "remarks"];

/// A cell without case, blanks and punctuation.
fn bare(text: &str) -> String {
    let plain = text.chars().filter(|char| char.is_alphanumeric());
    plain.flat_map(char::to_lowercase).collect()
}

/// What a column of that name says.
pub(super) fn column(header: &str) -> Option<Column> {
    let header = bare(header);
    let singular = header.strip_suffix('s').unwrap_or(&header);
    let is_one = |names: &[&str]| names.contains(&header.as_str()) || names.contains(&singular);
    if is_one(&IDS) {
        Some(Column::Id)
    } else if is_one(&URLS) {
        Some(Column::Url)
    } else if is_one(&NAMES) {
        Some(Column::Name)
    } else if is_one(&STANDINGS) {
        Some(Column::Standing)
    } else if is_one(&NOTES) {
        Some(Column::Notes)
    } else {
        None
    }
}

/// The list that a cell means.
pub(super) fn action(text: &str) -> Option<Action> {
    match bare(text).as_str() {
        "allow" | "allowed" | "approve" | "approved" => Some(Action::Allow),
        "deny" | "denied" | "decline" | "declined" | "block" | "blocked" | "reject"
        | "rejected" => Some(Action::Deny),
        _ => None,
    }
}

/// Headers of columns that answer yes or no whether a product is allowed.
const APPROVALS: [&str; 12] = [
    "approved",
    "approve",
    "approval",
    "allowed",
    "allow",
    "permitted",
    "denied",
    "deny",
    "blocked",
    "block",
    "rejected",
    "declined",
];
const ANSWERS: [&str; 8] = ["yes", "no", "y", "n", "true", "false", "1", "0"];

/// True if a cell answers whether a product is allowed, by the header of its column.
pub(super) fn is_answer(header: &str, text: &str) -> bool {
    let is_one = |of: &[&str], text: &str| of.contains(&bare(text).as_str());
    is_one(&APPROVALS, header) && is_one(&ANSWERS, text)
}

/// What is expected of a cell that names a list.
pub(super) const EXPECTED: &str = "\"allowed\" or \"denied\" is expected";

/// A cell that is shown in a problem, cut to 60 characters.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{:?}", format!("{short}{more}"))
}

/// True for what a spreadsheet would take for a formula, also behind apostrophes that keep it from that.
pub(super) fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@'])
}

/// What a cell says, without the apostrophe that keeps a spreadsheet from taking it for a formula.
pub(super) fn cell(text: &str) -> &str {
    let rest = text.strip_prefix('\'').filter(|_| is_formula(text));
    rest.unwrap_or(text)
}

/// A note of a row, in one line.
pub(super) fn note(text: &str) -> String {
    one_line(text).trim().to_owned()
}

/// What a row calls its product, or what is wrong with it.
pub(super) fn product(text: &str) -> Result<String, String> {
    let is_odd = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r');
    if text.contains(is_odd) {
        return Err(format!("{} has a control character", shown(text)));
    }
    let text = note(text);
    if text.is_empty() {
        return Err("the row names no product".to_owned());
    }
    if text.len() > MOST_PRODUCT {
        return Err(format!(
            "{} has {} bytes, and at most {MOST_PRODUCT} are read",
            shown(&text),
            text.len()
        ));
    }
    Ok(text)
}
