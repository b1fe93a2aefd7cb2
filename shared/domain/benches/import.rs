//! Measures the difference of an import: 10,000 rows of a spreadsheet against 9,000 products on the list.
//! Everything that the command computes is in it: the file is read, its rows are compared with the lists of
//! the experience, and the change sets are counted. AWS is not asked.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::product_list::{Wanted, difference, read};

/// Rows of the file.
const ROWS: usize = 10_000;
/// Products on the list.
const LISTED: usize = 9_000;
/// How often it is measured.
const ROUNDS: usize = 20;
/// The longest time that it may take.
const MOST: Duration = Duration::from_secs(2);

type AnyError = Box<dyn std::error::Error>;

fn product(number: usize) -> String {
    format!("prod-bench{number:08}")
}

/// A spreadsheet as Excel writes it.
fn spreadsheet() -> String {
    let mut text = "\u{feff}Product ID;Product name;Status;Notes\r\n".to_owned();
    for number in 0..ROWS {
        let id = product(number);
        let _ = write!(
            text,
            "{id};\"Something; of {id}\";Approved;ticket {number}\r\n"
        );
    }
    text
}

/// The details of a policy, as AWS answers them.
fn details() -> String {
    let ids: Vec<_> = (ROWS - LISTED..ROWS)
        .map(|number| format!("{:?}", product(number)))
        .collect();
    let ids = ids.join(",");
    format!(
        r#"{{"Statements":[{{"Effect":"Allow","Resources":[{{"Type":"Product","Ids":[{ids}]}}]}}]}}"#
    )
}

/// Computes the difference, and returns the number of changes and of change sets.
fn compare(file: &str, details: &str) -> Result<(usize, usize), AnyError> {
    let lists = PolicySnapshot::from_details(details)?;
    let rows = read(file.as_bytes())?.rows;
    let mut resolved = Vec::with_capacity(rows.len());
    for row in rows {
        let product = ProductId::new(&row.product)?;
        resolved.push((row, product));
    }
    let wanted = Wanted::new(resolved)?;
    let found = difference(&lists, &wanted, true);
    Ok((found.plan.len(), found.plan.fewest_change_sets()))
}

fn run() -> Result<bool, AnyError> {
    let (file, details) = (spreadsheet(), details());
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let found = compare(black_box(&file), black_box(&details))?;
        times.push(began.elapsed());
        if found != (ROWS - LISTED, (ROWS - LISTED).div_ceil(50)) {
            return Err(format!("another difference was found: {found:?}").into());
        }
    }
    times.sort();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    writeln!(
        std::io::stdout(),
        "{ROWS} rows against {LISTED} products: {:.1} ms, at most {:.1} ms, of {ROUNDS} rounds",
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3,
    )?;
    Ok(worst <= MOST)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the measurement failed: {error}");
            ExitCode::FAILURE
        }
    }
}
