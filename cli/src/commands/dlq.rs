//! `pmp-sync dlq`: the dead letters of the members. `list` and `show` ask the producer, which alone
//! reaches the members' queues. `replay` and `discard` are requests that become runs.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::ids::{MemberName, ProductId};
use pmp_sync_domain::ports::Bus as _;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{DeadLetterOutcome, DeadLetterRecord, LettersLeft, RunRecord};
use pmp_sync_domain::text::noun_of;
use pmp_sync_domain::wire::{
    DEAD_LETTERS_REQUESTED, DeadLetterAction, DeadLetterFilter, DeadLetterRequest,
    dead_letters_requested,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::client::context::{Context, request_id};
use crate::client::invoke::ask_showing;
use crate::client::products::{Mentions, named, resolve};
use crate::client::run::{tell_failures, wait_until_planned};
use crate::client::scope;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, Column, column};

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, with what a replay would do with each now. Changes nothing.
    List(DlqFilter),
    /// Show one dead letter.
    Show {
        /// Its id, or the beginning of it.
        id: String,
        #[command(flatten)]
        filter: DlqFilter,
    },
    /// Issue again what is still wanted, drop what is not, and keep what is unreadable.
    Replay(ReplayOptions),
    /// Delete dead letters. The next run tries again what is still wanted. A dry run unless --yes is given.
    Discard(DiscardOptions),
}

/// Which dead letters; everything that is not narrowed is in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct DlqFilter {
    /// Only of this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    pub(crate) members: Vec<MemberName>,
    /// Only changes of this product: its id, its name, a part of its name, or the URL of its page. May be given
    /// several times.
    #[arg(long = "product", value_name = "PRODUCT")]
    pub(crate) products: Vec<String>,
    /// Only those dead-lettered for this reason, such as quarantined, unreadable, unknown-run, wrong-account,
    /// receive-count. May be given several times.
    #[arg(long = "reason", value_name = "REASON")]
    pub(crate) reasons: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(crate) filter: DlqFilter,
    /// Show only what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The longest time to wait until the producer has handled them, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DiscardOptions {
    #[command(flatten)]
    pub(crate) filter: DlqFilter,
    /// Show only what would be deleted, as without --yes.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Delete them.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The longest time to wait until the producer has handled them, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) timeout: u64,
}

/// The result of a replay or a discard.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum DlqAnswer<'a> {
    /// A run has handled the letters.
    Done {
        /// The run that served the request.
        run: &'a RunRecord,
        /// What was done with each letter.
        letters: &'a [DeadLetterRecord],
    },
    /// A dry run: the letters that are selected, and what a replay would do with each.
    DryRun(&'a DeadLetterList),
}

fn products_of<'a>(letters: impl Iterator<Item = &'a DeadLetterRecord>) -> BTreeSet<ProductId> {
    letters
        .filter_map(|letter| letter.product.clone())
        .collect()
}

impl Mentions for DeadLetterList {
    fn products(&self) -> BTreeSet<ProductId> {
        products_of(self.letters.iter().map(|listed| &listed.letter))
    }
}

impl Mentions for &ListedLetter {
    fn products(&self) -> BTreeSet<ProductId> {
        products_of(std::iter::once(&self.letter))
    }
}

impl Mentions for DlqAnswer<'_> {
    fn products(&self) -> BTreeSet<ProductId> {
        match self {
            Self::Done { letters, .. } => products_of(letters.iter()),
            Self::DryRun(list) => list.products(),
        }
    }
}

pub(crate) async fn run(common: &Common, command: &DlqCommand) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    match command {
        DlqCommand::List(filter) => {
            let list = named(&context, look(&context, filter).await?).await;
            if common.json {
                output::json(&list)?;
            } else {
                show(&list.answer, &list.names)?;
            }
            faults(&context, &list.answer)
        }
        DlqCommand::Show { id, filter } => show_one(common, &context, id, filter).await,
        DlqCommand::Replay(options) => replay(common, &context, options).await,
        DlqCommand::Discard(options) => discard(common, &context, options).await,
    }
}

async fn filter_of(context: &Context, filter: &DlqFilter) -> Result<DeadLetterFilter, Failure> {
    scope::members(&filter.members, context).await?;
    let products = resolve(context, &filter.products).await?;
    Ok(DeadLetterFilter {
        members: filter.members.clone(),
        products: products.into_iter().map(|product| product.id).collect(),
        reasons: filter.reasons.clone(),
    })
}

async fn look(context: &Context, filter: &DlqFilter) -> Result<DeadLetterList, Failure> {
    let detail = json!({ "filter": filter_of(context, filter).await? });
    let step = "the producer looks through the dead-letter queues";
    ask_showing(context, DEAD_LETTERS_REQUESTED, detail, step).await
}

fn outcome(outcome: DeadLetterOutcome) -> String {
    output::word(&outcome).replace('_', " ")
}

/// What a replay would do, as a verb.
fn would(outcome: DeadLetterOutcome) -> &'static str {
    match outcome {
        DeadLetterOutcome::Reissued => "issue it again",
        DeadLetterOutcome::Underway => "drop it: it is already under way",
        DeadLetterOutcome::Dropped => "drop it",
        DeadLetterOutcome::Discarded => "discard it",
        DeadLetterOutcome::Kept => "keep it",
    }
}

fn row(letter: &DeadLetterRecord, names: &Names, last: String) -> Vec<String> {
    let name = letter
        .product
        .as_ref()
        .and_then(|product| names.of(product));
    vec![
        letter.id.chars().take(8).collect(),
        letter.member.to_string(),
        output::or_dash(letter.lane.as_ref().map(|lane| &lane.experience)),
        output::or_dash(letter.action),
        output::or_dash(letter.product.as_ref()),
        output::or_dash(name),
        letter.reason.clone(),
        output::or_dash(letter.attributes.get("error_code")),
        last,
    ]
}

fn columns(last: &'static str) -> [Column; 9] {
    [
        column("ID"),
        column("MEMBER"),
        column("EXPERIENCE").leaves(1),
        column("ACTION").state(),
        column("PRODUCT").leaves(4),
        column("NAME").folds(),
        column("REASON").leaves(2),
        column("ERROR").leaves(3),
        column(last).folds(),
    ]
}

fn show(list: &DeadLetterList, names: &Names) -> Result<(), Failure> {
    if list.letters.is_empty() {
        return output::line(if list.left.is_empty() && list.faults.is_empty() {
            "no dead letter"
        } else {
            "no dead letter among those that were looked at"
        });
    }
    let rows = list.letters.iter();
    let rows = rows.map(|listed| {
        let would = would(listed.letter.outcome).to_owned();
        row(&listed.letter, names, would)
    });
    output::table(columns("A REPLAY WOULD"), rows)
}

/// Says what is missing in a list. That is a partial result.
fn faults(context: &Context, list: &DeadLetterList) -> Result<(), Failure> {
    for (member, fault) in &list.faults {
        context.note(&output::fault(Some(member.as_str()), fault));
    }
    for (member, left) in &list.left {
        context.note(&format!("{member}: {}", left_words(left, "listed")));
    }
    match (list.faults.len(), list.left.len()) {
        (0, 0) => Ok(()),
        (0, count) => Err(Failure::Partial(format!(
            "not all dead letters of {} are listed",
            output::count(count, "member")
        ))),
        (count, _) => Err(Failure::Partial(format!(
            "the dead letters of {} could not be read",
            output::count(count, "member")
        ))),
    }
}

/// What a request did not list or handle.
fn left_words(left: &LettersLeft, done: &str) -> String {
    let mut words = Vec::new();
    if left.selected > 0 {
        let more = output::count(left.selected, "more dead letter");
        words.push(format!("{more} not {done}"));
    }
    if left.unseen {
        let looked_at = output::count(left.looked_at, "dead letter");
        words.push(match left.about {
            Some(about) => {
                format!("{looked_at} looked at, and about {about} not, for lack of time")
            }
            None => format!("{looked_at} looked at, and there may be more"),
        });
    }
    words.join("; ")
}

async fn show_one(
    common: &Common,
    context: &Context,
    id: &str,
    filter: &DlqFilter,
) -> Result<(), Failure> {
    let list = look(context, filter).await?;
    let found: Vec<_> = list
        .letters
        .iter()
        .filter(|listed| listed.letter.id.starts_with(id))
        .collect();
    let [listed] = found.as_slice() else {
        let words = match found.len() {
            0 if !list.left.is_empty() || !list.faults.is_empty() => {
                faults(context, &list)?;
                format!("no dead letter among those that were looked at has the id {id}")
            }
            0 => {
                format!("no dead letter has the id {id}; `pmp-sync dlq list` shows those there are")
            }
            count => {
                format!("{count} dead letters have an id that begins with {id}; give more of it")
            }
        };
        return Err(Failure::NotWell(words));
    };
    let named = named(context, *listed).await;
    if common.json {
        return output::json(&named);
    }
    let letter = &listed.letter;
    output::line(&format!("id          {}", letter.id))?;
    output::line(&format!("member      {}", letter.member))?;
    if let (Some(lane), Some(action), Some(product)) =
        (&letter.lane, letter.action, &letter.product)
    {
        output::line(&format!(
            "change      {action} {} on {}",
            named.names.label(product),
            lane.experience
        ))?;
    }
    if let Some(run) = letter.sent_by {
        output::line(&format!("sent by     run {run}"))?;
    }
    output::line(&format!("reason      {}", letter.reason))?;
    let told = letter
        .attributes
        .iter()
        .filter(|(name, _)| *name != "reason");
    for (name, value) in told {
        output::line(&format!("{name:<11} {value}"))?;
    }
    output::line(&format!(
        "a replay    would {}: {}",
        would(letter.outcome),
        letter.why
    ))?;
    output::line(&format!("message     {}", listed.body))?;
    faults(context, &list)
}

async fn replay(
    common: &Common,
    context: &Context,
    options: &ReplayOptions,
) -> Result<(), Failure> {
    let ReplayOptions {
        filter,
        dry_run,
        timeout,
    } = options;
    if *dry_run {
        return only_look(common, context, filter, "nothing is replayed: a dry run").await;
    }
    request(common, context, DeadLetterAction::Replay, filter, *timeout).await
}

async fn discard(
    common: &Common,
    context: &Context,
    options: &DiscardOptions,
) -> Result<(), Failure> {
    let DiscardOptions {
        filter,
        yes,
        timeout,
        ..
    } = options;
    if !yes {
        let words = "nothing is discarded: with --yes these are deleted for good";
        return only_look(common, context, filter, words).await;
    }
    request(common, context, DeadLetterAction::Discard, filter, *timeout).await
}

/// Shows the selected letters, with a note that nothing happens to them.
async fn only_look(
    common: &Common,
    context: &Context,
    filter: &DlqFilter,
    words: &str,
) -> Result<(), Failure> {
    let list = look(context, filter).await?;
    output::note(words);
    let answer = named(context, DlqAnswer::DryRun(&list)).await;
    if common.json {
        output::json(&answer)?;
    } else {
        show(&list, &answer.names)?;
    }
    faults(context, &list)
}

/// Sends the request, and waits until each letter is handled.
async fn request(
    common: &Common,
    context: &Context,
    action: DeadLetterAction,
    filter: &DlqFilter,
    timeout: u64,
) -> Result<(), Failure> {
    let filter = filter_of(context, filter).await?;
    let id = request_id();
    let requester = context.requester().await;
    context
        .bus
        .put(dead_letters_requested(DeadLetterRequest {
            action,
            filter,
            request_id: Some(id.clone()),
            requester,
        }))
        .await?;
    let run = wait_until_planned(context, &id, timeout).await?;
    let letters = context.readable(context.ledger.dead_letters(run.run).await?);
    let done = DlqAnswer::Done {
        run: &run,
        letters: &letters,
    };
    let done = named(context, done).await;
    if common.json {
        output::json(&done)?;
    } else {
        let rows: Vec<_> = letters
            .iter()
            .map(|letter| {
                row(
                    letter,
                    &done.names,
                    format!("{}: {}", outcome(letter.outcome), letter.why),
                )
            })
            .collect();
        if rows.is_empty() {
            output::line("no dead letter was handled")?;
        } else {
            output::table(columns("OUTCOME"), rows)?;
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for letter in &letters {
            *counts.entry(outcome(letter.outcome)).or_default() += 1;
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        context.note(&format!(
            "run {} ({}): {}; `pmp-sync status` shows how its lanes go on",
            run.run,
            run.status.as_str(),
            if counts.is_empty() {
                "nothing to do".to_owned()
            } else {
                counts.join(", ")
            }
        ));
    }
    if run.fault.is_some() {
        tell_failures(context, &run).await?;
        return Err(Failure::Partial(format!("run {} has failed", run.run)));
    }
    if run.totals.failed > 0 {
        tell_failures(context, &run).await?;
        return Err(Failure::Partial(format!(
            "{} or {} could not be served; the dead letters stay",
            output::count(run.totals.failed, "member"),
            noun_of(run.totals.failed, "link")
        )));
    }
    if let Some(left) = &run.letters_left {
        let words = left_words(left, "handled");
        return Err(Failure::Partial(format!(
            "{words}; run the command again for the rest"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_with_its_numbers() {
        let left = LettersLeft {
            looked_at: 700,
            selected: 200,
            ..LettersLeft::default()
        };
        assert_eq!(
            left_words(&left, "listed"),
            "200 more dead letters not listed"
        );
        let left = LettersLeft {
            looked_at: 10_000,
            unseen: true,
            about: Some(3),
            ..LettersLeft::default()
        };
        let words = "10000 dead letters looked at, and about 3 not, for lack of time";
        assert_eq!(left_words(&left, "listed"), words);
        let words = left_words(&LettersLeft::untouched(), "handled");
        assert_eq!(words, "0 dead letters looked at, and there may be more");
    }

    #[test]
    fn the_producers_answer_is_read() {
        let list: DeadLetterList = serde_json::from_str(
            r#"{"schema":1,"letters":[{"letter":{"schema":1,"id":"12345678-90ab","member":"emea","lane":{"account":"222222222222","experience":"exp-1"},"product":"prod-a","action":"deny","sent_by":"01ARZ3NDEKTSV4RRFFQ69G5FAV","reason":"quarantined","attributes":{"error_code":"INVALID_PRODUCT"},"outcome":"reissued","why":"it is wanted","at":"2026-01-01T00:00:00Z"},"body":"{}"}],"faults":[]}"#,
        )
        .unwrap();
        let letter = &list.letters[0].letter;
        assert_eq!(
            row(letter, &Names::default(), would(letter.outcome).to_owned()),
            [
                "12345678",
                "emea",
                "exp-1",
                "deny",
                "prod-a",
                "-",
                "quarantined",
                "INVALID_PRODUCT",
                "issue it again"
            ]
        );
    }
}
