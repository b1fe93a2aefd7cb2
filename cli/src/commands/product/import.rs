//! `pmp-sync product import` and `diff`: a file and the lists of the management experience.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::config::Problem;
use pmp_sync_domain::product_list::{self, InvalidList, MOST_BYTES, Rows, Wanted, difference};

use crate::client::context::Context;
use crate::client::product_list::change::{
    Asked, Extent, ListChange, Making, change, finish, show_difference,
};
use crate::client::product_list::managed::{Managed, WhichList, which};
use crate::client::product_list::names::resolve_rows;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

#[derive(Debug, Args)]
struct FileOptions {
    /// The file: CSV or JSON, with a column `product_id`, `url` or `name`, and perhaps `standing`
    /// (allowed or denied) and `notes`; or one product on a line. - is stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make the Allow list equal to the file: deny what is allowed and not in it.
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    which: WhichList,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    #[command(flatten)]
    file: FileOptions,
    #[command(flatten)]
    making: Making,
}

#[derive(Debug, Args)]
pub(crate) struct DiffOptions {
    #[command(flatten)]
    file: FileOptions,
}

/// A file, read and compared with nothing yet.
struct Read {
    context: Context,
    managed: Managed,
    wanted: Wanted,
}

pub(super) async fn run(common: &Common, options: &ImportOptions) -> Result<(), Failure> {
    let name = options.file.file.display().to_string();
    let Read {
        context,
        managed,
        wanted,
    } = Read::of(common, &options.file).await?;
    let asked = Asked {
        command: "import",
        managed: &managed,
        wanted: &wanted,
        exact: options.file.exact,
        file: Some(&name),
        requests: &[],
        making: &options.making,
    };
    let change = change(&context, &asked).await?;
    finish(common, &context, &change)
}

pub(super) async fn diff(common: &Common, options: &DiffOptions) -> Result<(), Failure> {
    let Read {
        context,
        managed,
        wanted,
    } = Read::of(common, &options.file).await?;
    let exact = options.file.exact;
    let found = difference(&managed.lists, &wanted, exact);
    let change = ListChange::of(&managed, &wanted, &found);
    if common.json {
        output::json(&change)?;
    } else {
        show_difference(&context, &managed, &change, Extent::of_file(exact)).await?;
        for (action, products) in [("allow", &change.allow), ("deny", &change.deny)] {
            for product in products {
                output::line(&format!("{action} {product}"))?;
            }
        }
    }
    match found.plan.len() {
        0 => Ok(()),
        count => Err(Failure::Differs(format!(
            "{} would be changed",
            output::count(count, "product")
        ))),
    }
}

impl Read {
    async fn of(common: &Common, options: &FileOptions) -> Result<Self, Failure> {
        let name = options.file.display().to_string();
        let invalid = |problems| Failure::invalid_list(&name, InvalidList::new(problems));
        let rows = rows(&options.file)?;
        let mut problems = rows.problems.clone();
        match Self::compared(common, options, rows).await {
            Ok((read, more)) => {
                problems.extend(more);
                if problems.is_empty() {
                    Ok(read)
                } else {
                    Err(invalid(problems))
                }
            }
            // What is known to be wrong is told, whatever prevents a look at the rest.
            Err(_) if !problems.is_empty() => Err(invalid(problems)),
            Err(failure) => Err(failure),
        }
    }

    /// The rows with their products, and all that is wrong with these.
    async fn compared(
        common: &Common,
        options: &FileOptions,
        rows: Rows,
    ) -> Result<(Self, Vec<Problem>), Failure> {
        let context = Context::new(common).await?;
        let id = which(&context, &options.which).await?;
        let managed = Managed::read(&CatalogAdmin::new(&context.config), &id).await?;
        let (resolved, mut problems) = resolve_rows(&context, rows.rows, &managed.lists).await?;
        let (wanted, contradictory) = Wanted::with_problems(resolved);
        problems.extend(contradictory);
        let read = Self {
            context,
            managed,
            wanted,
        };
        Ok((read, problems))
    }
}

/// The rows of a file.
fn rows(file: &Path) -> Result<Rows, Failure> {
    // One byte more, so that a file that is too large is noticed.
    let most = u64::try_from(MOST_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(most).read_to_end(&mut bytes))
    };
    read.map_err(Failure::file(file))?;
    let rows = product_list::read_with_problems(&bytes)
        .map_err(|invalid| Failure::invalid_list(&file.display().to_string(), invalid))?;
    if !rows.ignored.is_empty() {
        let columns = match rows.ignored.len() {
            1 => "the column",
            _ => "the columns",
        };
        output::note(&format!("not read: {columns} {}", rows.ignored.join(", ")));
    }
    Ok(rows)
}
