//! The report: all findings, for a program and for a person.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Area, Check};
use super::finding::{Finding, Status};
use crate::failure::Failure;
use crate::output::{self, column, count};

/// Equal findings about more things than this are one row of the table.
const MOST_ROWS: usize = 3;

/// All findings.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The shape of this value.
    pub(crate) schema: u32,
    /// The release of the command.
    pub(crate) release: &'static str,
    /// When it was made.
    #[schemars(with = "String")]
    pub(crate) at: Timestamp,
    /// Duration of all checks, in milliseconds.
    pub(crate) milliseconds: u64,
    /// The worst status of all.
    pub(crate) worst: Status,
    /// The findings, by area.
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// Sorts the findings for output: by area, the worst first, by check.
    pub(crate) fn new(mut findings: Vec<Finding>, at: Timestamp, milliseconds: u64) -> Self {
        findings.sort_by(|one, other| {
            let key = |found: &Finding| (found.area, std::cmp::Reverse(found.status), found.id);
            key(one).cmp(&key(other))
        });
        let worst = findings.iter().map(|found| found.status).max();
        Self {
            schema: pmp_sync_domain::SCHEMA,
            release: super::deployed::RELEASE,
            at,
            milliseconds,
            worst: worst.unwrap_or(Status::Ok),
            findings,
        }
    }

    /// The number of findings with a status.
    pub(crate) fn count(&self, status: Status) -> usize {
        let of = |found: &&Finding| found.status == status;
        self.findings.iter().filter(of).count()
    }

    /// A summary in one line.
    pub(crate) fn words(&self) -> String {
        format!(
            "{}: {} ok, {} to look at, {} failing, {} not known",
            count(self.findings.len(), "finding"),
            self.count(Status::Ok),
            self.count(Status::Warn),
            self.count(Status::Fail),
            self.count(Status::Unknown)
        )
    }
}

/// Adds the checks that were not made because of another finding.
pub(crate) fn complete(found: &mut Vec<Finding>, because: impl Fn(Check) -> Option<&'static str>) {
    let known: BTreeSet<_> = found.iter().map(|found| found.id).collect();
    for check in Check::ALL.iter().filter(|check| !known.contains(check)) {
        if let Some(because) = because(*check) {
            found.push(Finding::because(*check, because));
        }
    }
}

/// A row of the table, with what to do about it.
#[derive(Debug)]
struct Row {
    /// The checks that found it.
    checks: Vec<Check>,
    subject: String,
    status: Status,
    seen: String,
    fix: Option<String>,
}

impl Row {
    fn new(found: &Finding, subject: String) -> Self {
        Self {
            checks: vec![found.id],
            subject,
            status: found.status,
            seen: found.seen.clone(),
            fix: found.fix.clone(),
        }
    }

    fn area(&self) -> String {
        let areas: BTreeSet<_> = self.checks.iter().map(|check| check.area()).collect();
        match (areas.first(), areas.len()) {
            (Some(area), 1) => area.to_string(),
            _ => "several".to_owned(),
        }
    }

    /// The checks, which are words to search docs/doctor.md for.
    fn names(&self) -> String {
        let names: Vec<_> = self.checks.iter().map(|check| check.id()).collect();
        names.join(", ")
    }
}

/// Some subjects by their names, and many by their number.
fn subjects<'a>(all: impl Iterator<Item = Option<&'a str>>) -> String {
    let all: Vec<_> = all.flatten().collect();
    match all.len() {
        0 => "-".to_owned(),
        few if few <= MOST_ROWS => all.join(", "),
        many => format!("{many} of them"),
    }
}

/// Converts findings to rows. Findings that say the same of many things are one row.
fn rows(findings: &[Finding]) -> Vec<Row> {
    let mut alike: BTreeMap<(Area, std::cmp::Reverse<Status>, Check, String), Vec<&Finding>> =
        BTreeMap::new();
    for found in findings {
        // A good result needs no details.
        let seen = if found.status == Status::Ok {
            String::new()
        } else {
            let own = found.subject.as_deref().unwrap_or_default();
            let own = own.split(' ').next().unwrap_or_default();
            let generic = |text: &str| {
                if own.is_empty() {
                    text.to_owned()
                } else {
                    text.replace(own, "NAME")
                }
            };
            format!(
                "{}\n{}",
                generic(&found.seen),
                generic(found.fix.as_deref().unwrap_or_default())
            )
        };
        let key = (found.area, std::cmp::Reverse(found.status), found.id, seen);
        alike.entry(key).or_default().push(found);
    }
    let mut rows: Vec<Row> = Vec::new();
    for ((.., key), group) in alike {
        let Some(first) = group.first() else { continue };
        if group.len() > MOST_ROWS {
            let (seen, fix) = key.split_once('\n').unwrap_or(("all of them", ""));
            rows.push(Row {
                checks: vec![first.id],
                subject: format!("{} of them", group.len()),
                status: first.status,
                seen: seen.to_owned(),
                fix: Some(fix.to_owned()).filter(|fix| !fix.is_empty()),
            });
            continue;
        }
        let mut equal: Vec<(&Finding, Vec<Option<&str>>)> = Vec::new();
        for found in group {
            let about = found.subject.as_deref();
            let is_equal =
                |one: &&mut (&Finding, _)| one.0.seen == found.seen && one.0.fix == found.fix;
            match equal.iter_mut().find(is_equal) {
                Some((_, about_all)) => about_all.push(about),
                None => equal.push((found, vec![about])),
            }
        }
        let told = equal.into_iter();
        rows.extend(told.map(|(found, about)| Row::new(found, subjects(about.into_iter()))));
    }
    one_row_each(rows)
}

/// What several checks say of the same in the same words is one row, at the place of the first.
fn one_row_each(rows: Vec<Row>) -> Vec<Row> {
    let mut told: Vec<Row> = Vec::new();
    for row in rows {
        let is_equal = |one: &&mut Row| {
            (one.status, &one.seen, &one.fix, &one.subject)
                == (row.status, &row.seen, &row.fix, &row.subject)
        };
        // Each good result stays: it says what was looked at.
        let equal = told.iter_mut().find(is_equal);
        match equal.filter(|_| row.status != Status::Ok) {
            Some(one) => one.checks.extend(row.checks),
            None => told.push(row),
        }
    }
    told
}

/// Prints the table, and below it what to do.
pub(crate) fn show(report: &Report) -> Result<(), Failure> {
    let rows = rows(&report.findings);
    let table = rows.iter().map(|row| {
        vec![
            row.status.word().to_owned(),
            row.area(),
            row.names(),
            row.subject.clone(),
            row.seen.replace('\n', " "),
        ]
    });
    let columns = [
        column("STATUS").state(),
        column("AREA").leaves(1),
        column("CHECK").folds(),
        column("ABOUT").folds(),
        column("SEEN").folds(),
    ];
    output::table(columns, table)?;
    let fixes = fixes(&rows);
    if fixes.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::line("WHAT TO DO")?;
    fixes.iter().try_for_each(|fix| output::line(fix))
}

/// The remedies, each once, the worst first.
fn fixes(rows: &[Row]) -> Vec<String> {
    let mut alike: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for row in rows {
        if let Some(fix) = &row.fix {
            let key = (std::cmp::Reverse(row.status), &row.checks, fix);
            alike.entry(key).or_default().push(&row.subject);
        }
    }
    let told = alike.into_iter().map(|((status, checks, fix), subjects)| {
        let names: Vec<_> = checks.iter().map(|check| check.id()).collect();
        let about = match subjects.as_slice() {
            ["-"] => String::new(),
            few if few.len() <= MOST_ROWS => format!(" {}", few.join(", ")),
            many => format!(" {} of them", many.len()),
        };
        format!("{} {}{about}: {fix}", status.0.word(), names.join(", "))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_member(number: usize, found: Finding) -> Finding {
        found.about(format!("m-{number} exp-1"))
    }

    #[test]
    fn the_worst_of_an_area_comes_first_and_areas_keep_their_order() {
        let at = Timestamp::UNIX_EPOCH;
        let found = vec![
            Finding::ok(Check::MemberRole, "fine"),
            Finding::warn(Check::MemberQueue, "full"),
            Finding::ok(Check::Credentials, "fine"),
            Finding::fail(Check::MemberDeadLetters, "gone"),
            Finding::because(Check::MemberCatalog, "of it"),
        ];
        let report = Report::new(found, at, 1);
        let order: Vec<_> = report.findings.iter().map(|found| found.id).collect();
        assert_eq!(
            order,
            [
                Check::Credentials,
                Check::MemberDeadLetters,
                Check::MemberQueue,
                Check::MemberCatalog,
                Check::MemberRole
            ]
        );
        assert_eq!(report.worst, Status::Fail);
        assert_eq!(
            report.words(),
            "5 findings: 2 ok, 1 to look at, 1 failing, 1 not known"
        );
    }

    #[test]
    fn what_is_said_of_many_members_is_one_row_and_what_differs_is_not() {
        let fine = (0..200).map(|number| {
            let seen = format!("{number} experiences");
            of_member(number, Finding::ok(Check::MemberCatalog, seen))
        });
        let alike = (0..200).map(|number| {
            let seen = format!("no profile for m-{number}");
            let fix = format!("give --profile m-{number}=PROFILE");
            of_member(
                number,
                Finding::because(Check::MemberStack, &seen).with_fix(fix),
            )
        });
        let differ = (0..5).map(|number| {
            let seen = format!("{number} waiting");
            of_member(number, Finding::warn(Check::MemberDeadLetters, seen))
        });
        let all: Vec<_> = fine.chain(alike).chain(differ).collect();
        let rows = rows(&all);
        assert_eq!(rows.len(), 7);
        let of = |check| rows.iter().find(|row| row.checks == [check]).unwrap();
        assert_eq!(of(Check::MemberCatalog).subject, "200 of them");
        let profiles = of(Check::MemberStack);
        assert_eq!(profiles.seen, "not looked at: no profile for NAME");
        assert_eq!(profiles.fix.as_deref(), Some("give --profile NAME=PROFILE"));
    }

    #[test]
    fn equal_findings_are_one_row_and_others_are_not() {
        let waiting = |number: usize, seen: &str| {
            of_member(number, Finding::warn(Check::MemberDeadLetters, seen))
        };
        let because = |check| Finding::because(check, "there are no credentials");
        let all = [
            because(Check::Discovery),
            because(Check::LastRun),
            waiting(0, "1 dead letter"),
            waiting(1, "1 dead letter"),
            waiting(2, "2 dead letters"),
            Finding::ok(Check::Clock, "fine"),
            Finding::ok(Check::Credentials, "fine"),
        ];
        let rows = rows(&all);
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.checks.as_slice(), row.subject.as_str()))
            .collect();
        assert_eq!(rows.len(), 5, "{told:?}");
        for expected in [
            (&[Check::MemberDeadLetters][..], "m-0 exp-1, m-1 exp-1"),
            (&[Check::MemberDeadLetters], "m-2 exp-1"),
        ] {
            assert!(told.contains(&expected), "{told:?}");
        }
        let skipped = rows
            .iter()
            .find(|row| row.status == Status::Unknown)
            .unwrap();
        assert_eq!(skipped.checks.len(), 2);
        assert_eq!(skipped.area(), "several");
    }

    #[test]
    fn what_is_to_be_done_is_told_once_and_the_worst_first() {
        let many = (0..5).map(|number| {
            let seen = format!("no stack {number}");
            of_member(number, Finding::fail(Check::AccessStack, seen))
        });
        let two = (0..2).map(|number| {
            let seen = format!("{number} waiting");
            of_member(number, Finding::warn(Check::MemberDeadLetters, seen))
        });
        let clock = Finding::warn(Check::Clock, "late");
        let all: Vec<_> = [clock].into_iter().chain(two).chain(many).collect();
        let told = fixes(&rows(&all));
        let begins: Vec<_> = told
            .iter()
            .filter_map(|fix| fix.split(": ").next())
            .collect();
        assert_eq!(
            begins,
            [
                "FAIL access-stack 5 of them",
                "warn clock",
                "warn member-dead-letters m-0 exp-1, m-1 exp-1"
            ]
        );
    }

    #[test]
    fn what_was_not_looked_at_is_listed_with_the_reason() {
        let mut found = vec![Finding::fail(Check::Credentials, "none")];
        complete(&mut found, |check| {
            (check != Check::Discovery).then_some("of it")
        });
        assert_eq!(found.len(), Check::ALL.len() - 1);
        let last = found.last().unwrap();
        assert_eq!(
            (last.status, last.seen.as_str()),
            (Status::Unknown, "not looked at: of it")
        );
    }
}
