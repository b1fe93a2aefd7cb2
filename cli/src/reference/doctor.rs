//! docs/doctor.md: what the command is, each check with what to do, and what the credentials need.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::commands::doctor::Check;

/// The page.
pub(super) fn page() -> String {
    let mut text = include_str!("doctor.md").to_owned();
    for check in Check::ALL {
        let mut what = check.what().chars();
        let first = what.next().map(|first| first.to_ascii_uppercase());
        let what: String = first.into_iter().chain(what).collect();
        let _ = write!(
            text,
            "### `{}`\n\n{what}.\n\nOtherwise: {}.\n\n",
            check.id(),
            check.fix()
        );
    }
    text.push_str("## What the credentials need\n\n");
    let all = Check::ALL.iter();
    let reads: BTreeSet<_> = all.flat_map(|check| check.reads().split(", ")).collect();
    for action in reads.iter().filter(|action| !action.is_empty()) {
        let _ = writeln!(text, "- `{action}`");
    }
    text
}
