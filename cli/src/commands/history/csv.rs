//! Events for spreadsheets: one row for each product, or one if the event is about none.

use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, ProductId};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product::Names;

use super::told::{Told, ToldProduct};

/// The first line. A later release adds columns at its end.
pub(super) const HEADER: &str =
    "at,event,run,member,account,experience,by,why,action,product,product_name,change_set,detail";

/// The lines of an event.
pub(super) fn lines(told: &Told, names: &Names) -> Vec<String> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let row = |product: Option<&ToldProduct>| {
        let id = product.map(|told| &told.product);
        line(&[
            told.at.to_string(),
            told.event.clone(),
            told.run.map(|run| run.to_string()).unwrap_or_default(),
            text(told.member.as_ref().map(MemberName::as_str)),
            text(told.account.as_ref().map(AccountId::as_str)),
            text(told.experience.as_ref().map(ExperienceId::as_str)),
            text(told.by.as_deref()),
            text(told.why.as_deref()),
            text(product.and_then(|told| told.action).map(Action::as_str)),
            text(id.map(ProductId::as_str)),
            text(id.and_then(|id| names.of(id))),
            text(told.change_set.as_deref()),
            text(told.detail.as_deref()),
        ])
    };
    if told.products.is_empty() {
        return vec![row(None)];
    }
    told.products.iter().map(|told| row(Some(told))).collect()
}

fn line(row: &[String]) -> String {
    let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
    cells.join(",")
}

/// A cell that a spreadsheet takes as text: what begins like a formula has an apostrophe before it, also behind blanks, and also in
/// the wide forms of East Asia, which some spreadsheets read as the narrow ones.
fn cell(text: &str) -> String {
    const FORMULA: [char; 8] = [
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    let is_formula = text.trim_start().starts_with(FORMULA) || text.starts_with(['\t', '\r', '\n']);
    let guard = if is_formula { "'" } else { "" };
    if text.contains([',', ';', '\t', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula() {
        for (text, told) in [
            ("", ""),
            ("a", "a"),
            ("b,c", "\"b,c\""),
            ("b;c", "\"b;c\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-", "'-"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\t=1", "\"'\t=1\""),
            ("\r1", "\"'\r1\""),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(text), told, "{text:?}");
        }
    }
}
