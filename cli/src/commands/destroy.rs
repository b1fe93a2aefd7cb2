//! `pmp-sync destroy`: removes an installation. Members are removed first, one by one. Then
//! everything that is left in the management account is deleted, including what the stack keeps on
//! purpose.

use clap::Args;
use pmp_sync_deploy::Account;
use pmp_sync_deploy::bucket::{Bucket, default_name};
use pmp_sync_deploy::installation::{CODE_BUCKET, access_stack, management_stack};
use pmp_sync_deploy::stack::Stacks;
use pmp_sync_domain::config::Config;

use crate::client::account::{Part, account_of};
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::leftover::{NAME_KEPT, Queue, Table};
use crate::client::removal::RemovalAnswer;
use crate::client::signals::goes_on_to_the_end;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct DestroyOptions {
    /// The AWS profile with credentials of the management account.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Delete dead letters and unhandled requests, too.
    #[arg(long)]
    pub(crate) discard_dead_letters: bool,
    /// Delete what is shown without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

pub(crate) async fn run(common: &Common, options: &DestroyOptions) -> Result<(), Failure> {
    let profile = options.profile.as_deref();
    let profile = profile.or(common.management_profile.as_deref());
    let account = account_of(profile, Part::Management).await?;
    let progress = Progress::new();
    let done = destroy(common, options, &account, &progress).await;
    progress.finish();
    let answer = done?;
    answer.show(common)?;
    let seconds = NAME_KEPT.as_secs();
    output::note(&format!(
        "queues keep their names for {seconds} s: deploy under the same name after that"
    ));
    Ok(())
}

async fn destroy(
    common: &Common,
    options: &DestroyOptions,
    account: &Account,
    progress: &Progress,
) -> Result<RemovalAnswer, Failure> {
    let name = &common.name;
    let stack = management_stack(name);
    let stacks = Stacks::new(account, progress);
    let ledger = Table::new(account, format!("{name}-ledger"));
    let dead_letters = Queue::new(account, format!("{name}-requests-dlq.fifo"));
    let bucket = Bucket::new(account, default_name(name, account), name);
    progress.step("checking what is there");
    if ledger.exists().await? {
        refuse_members(common, account, &stacks).await?;
    }
    let standing = stacks.removable(&stack).await?;
    if !options.discard_dead_letters {
        dead_letters.refuse_messages().await?;
    }
    bucket.check_removal().await?;
    let named = standing
        .and_then(|found| found.parameters.get(CODE_BUCKET).cloned())
        .filter(|other| other != bucket.name())
        .map(|other| Bucket::new(account, other, name));
    if let Some(named) = &named {
        named.check_removal().await?;
    }
    progress.finish();
    output::note(&format!("this deletes in account {}:", account.id));
    let mut steps = vec![
        format!("the stack {stack}: bus, inbox, schedule, producer, roles, logs"),
        format!(
            "the ledger {name}-ledger with the configuration, runs and history; no backup is made"
        ),
        format!("the queue {name}-requests-dlq.fifo"),
        format!("the bucket {} with the code", bucket.name()),
    ];
    steps.extend(named.as_ref().map(|named| {
        format!(
            "the code in the bucket {}, which itself stays",
            named.name()
        )
    }));
    for what in steps {
        output::note(&format!("  {what}"));
    }
    confirm(options.yes, "Delete all of it?")?;
    goes_on_to_the_end("what is being deleted is deleted; the same command deletes the rest");

    let mut answer = RemovalAnswer::default();
    // Before the stack, because only the stack says which bucket it is.
    if let Some(named) = &named {
        answer.note_cleared(named.name(), named.clear().await?);
        let left = format!("the bucket {}, which was named with --bucket", named.name());
        answer.left.push(left);
    }
    // Then what could still write to the other resources.
    let was_there = stacks.remove(&stack).await?;
    answer.note(format!("stack {stack}"), was_there);
    progress.step("deleting what the stack has kept");
    if !options.discard_dead_letters {
        dead_letters.refuse_messages().await?;
    }
    answer.note(
        format!("queue {name}-requests-dlq.fifo"),
        dead_letters.remove().await?,
    );
    answer.note_cleared(bucket.name(), bucket.remove().await?);
    // Last, because the ledger says what exists.
    answer.note(format!("ledger {name}-ledger"), ledger.remove().await?);
    Ok(answer)
}

/// An error if a member is configured or deployed. Each has to be removed first.
async fn refuse_members(
    common: &Common,
    account: &Account,
    stacks: &Stacks<'_>,
) -> Result<(), Failure> {
    let context = Context::with(common, account.config.clone());
    let stored = context.ledger.current_config().await?;
    let config = stored.and_then(|stored| Config::parse(&stored.text).ok());
    let members = config.map(|config| config.members).unwrap_or_default();
    let mut names: Vec<String> = members.keys().map(ToString::to_string).collect();
    let onboardings = context.ledger.onboardings().await?;
    // It may be a member that is deployed.
    if let Some(unreadable) = onboardings.unreadable.into_iter().next() {
        return Err(unreadable.error.into());
    }
    for known in onboardings.items {
        let is_configured = members.values().any(|one| one.account == known.account);
        let stack = access_stack(&common.name, &known.account);
        if !is_configured && stacks.find(&stack).await?.is_some() {
            names.push(known.account.to_string());
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let commands = names.iter().map(|name| {
        format!("`pmp-sync member remove {name} --experience leave|archive --profile PROFILE`")
    });
    Err(Failure::Stack {
        message: format!("there are members: {}", names.join(", ")),
        remedy: format!(
            "remove them first: {}",
            commands.collect::<Vec<_>>().join("; ")
        ),
    })
}
