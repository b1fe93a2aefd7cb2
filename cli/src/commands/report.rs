//! `pmp-sync report`: the state of every member, as one self-contained page. Reads the ledger, and
//! asks the producer, which alone reaches the members. Changes nothing.

mod asked;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::answers::report::{LinkStandings, ManagementLists};
use pmp_sync_domain::ids::{LaneId, MemberName};
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _, ReadSets as _};
use pmp_sync_domain::wire::Scope;
use pmp_sync_report::{
    Commands, Gathered, LaneFacts, Model, Requested, State, assemble, lane_of, render, to_csv,
};

use self::asked::{Answers, ask_all};
use crate::client::context::{Context, parsed};
use crate::client::products::names;
use crate::client::requests::Requests;
use crate::client::run::newest;
use crate::client::{holds, scope};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

/// Lanes that are read concurrently.
const LANES_AT_ONCE: usize = 8;

/// What the report is about, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// Write the page to this file; - is stdout. Optional with --csv and --json.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write what the page shows at first to this file, as a table for a spreadsheet: what differs, and why. - is stdout.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    members: Vec<MemberName>,
    /// The number of runs to show.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=200))]
    runs: u16,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(common: &Common, options: &ReportOptions) -> Result<(), Failure> {
    check_destinations(common, options)?;
    let context = Context::new(common).await?;
    let model = gather(common, options, &context).await?;
    if let Some(page) = &options.html {
        write(page, &render(&model), options.force)?;
    }
    if let Some(table) = &options.csv {
        write(table, &to_csv(&model), options.force)?;
    }
    if common.json {
        output::json(&model)?;
    }
    outcome(&model)
}

/// Refuses files that cannot be written before anything is read.
fn check_destinations(common: &Common, options: &ReportOptions) -> Result<(), Failure> {
    let refused = |message: &str, remedy: &str| Failure::CommandLine {
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    };
    let files: Vec<_> = options.html.iter().chain(&options.csv).collect();
    let to_stdout = files.iter().filter(|file| is_stdout(file)).count();
    if files.is_empty() && !common.json {
        let what = "it is not said where the report goes";
        return Err(refused(
            what,
            "name a file with --html or --csv, or give --json",
        ));
    }
    if to_stdout + usize::from(common.json) > 1 {
        let what = "only one of the page, the table and the JSON can go to stdout";
        return Err(refused(what, "name files with --html and --csv"));
    }
    if options.html.is_some() && options.html == options.csv {
        let what = "the page and the table cannot be the same file";
        return Err(refused(what, "name two files"));
    }
    for file in files.into_iter().filter(|file| !is_stdout(file)) {
        refuse_to_replace(file, options.force)?;
    }
    Ok(())
}

fn is_stdout(page: &Path) -> bool {
    page == Path::new("-")
}

fn refuse_to_replace(page: &Path, force: bool) -> Result<(), Failure> {
    if !force && page.exists() {
        let words = "it is there already; --force replaces it";
        return Err(Failure::file(page)(Error::new(
            ErrorKind::AlreadyExists,
            words,
        )));
    }
    Ok(())
}

/// Writes the page completely, then moves it to its place, so that nobody sees a part of it.
fn write(page: &Path, text: &str, force: bool) -> Result<(), Failure> {
    if is_stdout(page) {
        return output::verbatim(text);
    }
    let wrong = Failure::file(page);
    let mut name = page.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = page.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    let moved = written
        .map_err(&wrong)
        .and_then(|()| refuse_to_replace(page, force))
        .and_then(|()| std::fs::rename(&part, page).map_err(&wrong));
    if moved.is_err() {
        // An error here is not worth another message.
        let _ = std::fs::remove_file(&part);
    }
    moved
}

async fn gather(
    common: &Common,
    options: &ReportOptions,
    context: &Context,
) -> Result<Model, Failure> {
    let stored = context.stored_config().await?;
    let wanted = Scope {
        members: options.members.clone(),
        experiences: Vec::new(),
    };
    let wanted = scope::check(wanted, &stored)?;
    let config = parsed(&stored)?;
    let progress = Progress::new();
    progress.step("the producer looks at the members");
    let answers = ask_all(context, &config, &wanted, &progress).await;
    progress.step("reading the ledger");
    let lanes = lanes(context, &answers.links).await;
    let known = holds::known(context).await;
    let suspensions = context.ledger.suspensions().await;
    let runs = newest(context, options.runs).await;
    let requests = Requests::of(context, &config, false).await;
    progress.finish();
    let Answers {
        management,
        links,
        left_out,
        letters,
        left,
    } = answers;
    let (runs, older_runs) = runs?;
    let (lanes, known) = (lanes?, known?);
    let listed = management.values().flat_map(ManagementLists::products);
    let differing = links.iter().flat_map(LinkStandings::products);
    let quarantined = lanes.values().flat_map(|facts| &facts.quarantined);
    let quarantined = quarantined.map(|one| &one.product);
    let edited = known
        .iter()
        .flat_map(|known| known.link_state.edited.keys());
    let products = listed.chain(differing).chain(quarantined).chain(edited);
    let sets = lanes.values().flat_map(|facts| facts.sets.iter().flatten());
    let changed = sets.flat_map(|set| set.allow.iter().chain(&set.deny));
    let products = products.chain(changed);
    let names = names(context, &products.cloned().collect()).await;
    let mut requests = requests?;
    if !wanted.members.is_empty() {
        requests.keep_of(&wanted.members);
    }
    for fault in &requests.unreadable {
        context.note(&output::fault(None, fault));
    }
    Ok(assemble(Gathered {
        now: SystemClock.now(),
        commands: Commands::of_stacks(&common.name),
        name: common.name.clone(),
        config_version: stored.version,
        stale_after_hours: config
            .links
            .first()
            .map_or(0, |link| link.stale_after_hours),
        management,
        links,
        left_out,
        letters,
        left,
        lanes,
        names,
        link_states: known
            .into_iter()
            .map(|known| (known.lane, known.link_state))
            .collect(),
        suspensions: suspensions?,
        runs: context.readable(runs),
        older_runs,
        dropped_requests: requests.dropped_count(),
        requests: requested(&requests),
    }))
}

/// The requests that wait for an answer.
fn requested(requests: &Requests) -> Vec<Requested> {
    let open = requests.open().map(|known| {
        let asked = requests.demand(known).requests;
        Requested::of(
            &known.request,
            known.member.as_str(),
            asked,
            known.answered(),
        )
    });
    open.collect()
}

async fn lanes(
    context: &Context,
    links: &[LinkStandings],
) -> Result<BTreeMap<LaneId, LaneFacts>, Failure> {
    let ids: Vec<_> = links.iter().filter_map(lane_of).collect();
    let facts = stream::iter(ids).map(|lane| async move {
        let ledger = &context.ledger;
        // The producer tells why its link cannot be observed.
        let Some(state) = context.if_readable(ledger.state(&lane).await)? else {
            return Ok(None);
        };
        let facts = LaneFacts {
            state,
            open: ledger.open(&lane).await?.items.len(),
            quarantined: ledger.quarantined(&lane).await?.items,
            // Only for what changed this week: the report says if it is missing.
            sets: ledger.sets(&lane, None).await.ok().map(|found| found.items),
        };
        Ok::<_, Failure>(Some((lane, facts)))
    });
    let facts: Vec<_> = facts.buffered(LANES_AT_ONCE).try_collect().await?;
    Ok(facts.into_iter().flatten().collect())
}

/// The exit code: whether everything could be observed.
fn outcome(model: &Model) -> Result<(), Failure> {
    let unreachable = |link: &&pmp_sync_report::Link| link.state == State::Unreachable;
    let unreachable = model.links.iter().filter(unreachable).count();
    let uncounted = model
        .links
        .iter()
        .filter(|link| link.dead_letters.is_none());
    let uncounted = uncounted.count();
    let all = output::count(model.links.len(), "member experience");
    if unreachable > 0 {
        let words = format!("{unreachable} of {all} cannot be looked at; the report tells why");
        return Err(Failure::Partial(words));
    }
    if uncounted > 0 {
        let words = format!("the dead letters of {uncounted} of {all} cannot be counted");
        return Err(Failure::Partial(words));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_whole_and_replaces_nothing_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("report.html");
        write(&page, "one", false).unwrap();
        let refused = write(&page, "two", false).unwrap_err();
        assert_eq!(refused.exit_code(), 5);
        assert_eq!(std::fs::read_to_string(&page).unwrap(), "one");
        write(&page, "three", true).unwrap();
        assert_eq!(std::fs::read_to_string(&page).unwrap(), "three");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "a part of it is left");
        let nowhere = folder.path().join("nowhere").join("report.html");
        assert_eq!(write(&nowhere, "", false).unwrap_err().exit_code(), 5);
    }
}
