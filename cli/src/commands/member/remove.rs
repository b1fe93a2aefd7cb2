//! `pmp-sync member remove`: a member goes in the order in which nothing is cut off in the middle. Suspensions,
//! configuration, a run that closes its lanes, its experiences, its account, its role, its item.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use pmp_sync_deploy::Account;
use pmp_sync_deploy::bucket::{Bucket, default_name};
use pmp_sync_deploy::installation::{CODE_BUCKET, access_stack, member_stack};
use pmp_sync_deploy::stack::{Found, Stacks};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, MemberName};
use pmp_sync_domain::lane::{LaneState, OpenChange, Phase};
use pmp_sync_domain::link::Target;
use pmp_sync_domain::ports::{Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{ActKind, ConfigOrigin};
use pmp_sync_domain::suggest::did_you_mean;
use pmp_sync_domain::wire::{Scope, SyncRequest};

use crate::client::account::{Part, account_of, member_account};
use crate::client::configuration::edit::{self, Edit};
use crate::client::configuration::{check_edit, edit_config};
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::experience::administrator::Administrator;
use crate::client::experience::named::read;
use crate::client::experience::{Wanted, principals};
use crate::client::leftover::Queue;
use crate::client::product_list::change::reason;
use crate::client::record::record_account;
use crate::client::removal::RemovalAnswer;
use crate::client::run;
use crate::client::suspension;
use crate::client::wait::{Seen, wait_until};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct RemoveOptions {
    /// The name of the member, or the number of an account that is not configured.
    #[arg(value_name = "NAME")]
    pub(crate) member: Who,
    /// What to do with its experiences. `archive` needs --profile.
    #[arg(long, value_enum, value_name = "leave|archive")]
    pub(crate) experience: Afterwards,
    /// The AWS profile with credentials of the member account.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Delete the dead letters of the member, too.
    #[arg(long)]
    pub(crate) discard_dead_letters: bool,
    /// The longest time to wait until nothing is in flight, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) timeout: u64,
    /// Remove what is shown without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Why. It is recorded with the removal and with the version of the configuration.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

/// What happens to the member experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Afterwards {
    /// Leave them as they are. They continue to govern.
    Leave,
    /// Disable and archive them. They govern nobody any more.
    Archive,
}

/// A member by its name, or an account that may never have been configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Member(MemberName),
    Account(AccountId),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name begins with a letter.
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let account = AccountId::new(text);
            return account
                .map(Self::Account)
                .map_err(|error| error.to_string());
        }
        let name = MemberName::new(text);
        name.map(Self::Member).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => name.fmt(f),
            Self::Account(account) => account.fmt(f),
        }
    }
}

/// The most versions of the configuration that are searched for a removed member.
const VERSIONS: u64 = 200;

/// A member as it is in the configuration, or was in it last.
struct Known {
    /// Its name. None for an account that was never configured.
    name: Option<MemberName>,
    account: AccountId,
    /// Explicit links' experiences.
    experiences: BTreeSet<ExperienceId>,
    /// True if it is in the configuration that is in force.
    is_configured: bool,
}

pub(crate) async fn run(common: &Common, options: &RemoveOptions) -> Result<(), Failure> {
    let profile = common.management_profile.as_deref();
    let management = account_of(profile, Part::Management).await?;
    let context = Context::with(common, management.config.clone());
    let known = find(&context, &options.member).await?;
    if options.experience == Afterwards::Archive && options.profile.is_none() {
        return Err(Failure::CommandLine {
            message: format!(
                "experiences are archived with the credentials of account {}",
                known.account
            ),
            remedy: "name a profile of that account with --profile, or say --experience leave"
                .to_owned(),
        });
    }
    let account = match &options.profile {
        Some(profile) => Some(member_account(Some(profile), &known.account).await?),
        None => None,
    };
    let progress = Progress::new();
    let removal = Removal {
        common,
        options,
        context,
        management: &management,
        account: account.as_ref(),
        known: &known,
        progress: &progress,
    };
    let done = removal.run().await;
    progress.finish();
    done?.show(common)
}

/// Finds a member in the configuration, in earlier versions, or by its account.
async fn find(context: &Context, who: &Who) -> Result<Known, Failure> {
    let stored = context.ledger.current_config().await?;
    let newest = stored.as_ref().map_or(0, |stored| stored.version);
    let in_force = stored.and_then(|stored| Config::parse(&stored.text).ok());
    let in_force = in_force.unwrap_or_default();
    let name = match who {
        Who::Member(name) => name.clone(),
        Who::Account(account) => match name_of(&in_force, account) {
            Some(name) => name,
            None if context.ledger.onboarding(account).await?.is_some() => {
                return Ok(Known {
                    name: None,
                    account: account.clone(),
                    experiences: BTreeSet::new(),
                    is_configured: false,
                });
            }
            None => return Err(unknown(who, &in_force)),
        },
    };
    let mut version = newest;
    while version > newest.saturating_sub(VERSIONS) {
        let stored = context.ledger.config_version(version).await?;
        let known = stored.and_then(|stored| of(&stored.text, &name, version == newest));
        if let Some(known) = known {
            // A member that has another name by now is not removed under this one.
            return match name_of(&in_force, &known.account) {
                Some(other) if other != name => Err(Failure::Unknown {
                    message: format!("account {} is the member {other}", known.account),
                    remedy: format!("remove it by that name: `pmp-sync member remove {other}`"),
                }),
                _ => Ok(known),
            };
        }
        version -= 1;
    }
    Err(unknown(who, &in_force))
}

fn name_of(config: &Config, account: &AccountId) -> Option<MemberName> {
    let mut members = config.members.iter();
    let found = members.find(|(_, member)| member.account == *account);
    found.map(|(name, _)| name.clone())
}

fn unknown(who: &Who, config: &Config) -> Failure {
    let members = config.members.values();
    let meant = match who {
        Who::Member(name) => did_you_mean(name.as_str(), members.map(|of| of.name.as_str())),
        Who::Account(account) => {
            did_you_mean(account.as_str(), members.map(|of| of.account.as_str()))
        }
    };
    Failure::Unknown {
        message: format!(
            "nothing is known of {who} in the newest {VERSIONS} versions of the configuration{meant}"
        ),
        remedy: "`pmp-sync member list` lists the members, and accounts that were deployed"
            .to_owned(),
    }
}

fn of(text: &str, name: &MemberName, is_configured: bool) -> Option<Known> {
    let config = Config::parse(text).ok()?;
    let member = config.members.get(name)?;
    let links = config.links.iter().filter(|link| link.member.name == *name);
    let one = |target: &Target| match target {
        Target::One(experience) => Some(experience.clone()),
        Target::EveryLive => None,
    };
    Some(Known {
        name: Some(name.clone()),
        account: member.account.clone(),
        experiences: links.filter_map(|link| one(&link.target)).collect(),
        is_configured,
    })
}

struct Removal<'a> {
    common: &'a Common,
    options: &'a RemoveOptions,
    context: Context,
    management: &'a Account,
    account: Option<&'a Account>,
    known: &'a Known,
    progress: &'a Progress,
}

impl Removal<'_> {
    async fn run(&self) -> Result<RemovalAnswer, Failure> {
        let mut answer = RemovalAnswer::default();
        let experiences = self.experiences().await?;
        let audiences = self.check(&experiences).await?;
        self.progress.finish();
        self.tell(&experiences, &audiences);
        confirm(
            self.options.yes,
            &format!("Remove {}?", self.options.member),
        )?;
        if let Some(name) = &self.known.name {
            self.leave_configuration(name, &mut answer).await?;
        }
        if let Some(account) = self.account
            && self.options.experience == Afterwards::Archive
        {
            self.archive(account, &experiences, &mut answer).await?;
        }
        match self.account {
            Some(account) => self.clear_account(account, &mut answer).await?,
            None => self.tell_what_is_left(&mut answer),
        }
        let stack = access_stack(&self.common.name, &self.known.account);
        let here = Stacks::new(self.management, self.progress);
        answer.note(format!("stack {stack}"), here.remove(&stack).await?);
        if let Some(name) = &self.known.name {
            suspension::release(&self.context, name).await?;
        }
        // Last, because the command finds the account by it.
        self.context
            .ledger
            .forget_onboarding(&self.known.account)
            .await?;
        let scope = Scope {
            members: self.known.name.iter().cloned().collect(),
            experiences: experiences.into_iter().collect(),
        };
        let why = self.options.reason.as_deref();
        let account = &self.known.account;
        record_account(&self.context, ActKind::Removed, account, &scope, why).await;
        Ok(answer)
    }

    /// Checks everything that could refuse a later step, before the first one. Returns the
    /// principals in the audiences of the experiences that are to be archived.
    async fn check(&self, experiences: &BTreeSet<ExperienceId>) -> Result<Vec<String>, Failure> {
        self.progress.step("checking what is there");
        let here = Stacks::new(self.management, self.progress);
        here.removable(&access_stack(&self.common.name, &self.known.account))
            .await?;
        if let Some(name) = &self.known.name {
            check_edit(&self.context, |text| match text {
                Some(text) => edit::remove(text, name),
                None => Ok(Edit::Same),
            })
            .await?;
        }
        let Some(account) = self.account else {
            return Ok(Vec::new());
        };
        let there = Stacks::new(account, self.progress);
        let standing = there.removable(&member_stack(&self.common.name)).await?;
        if !self.options.discard_dead_letters {
            self.dead_letters(account).refuse_messages().await?;
        }
        let (bucket, named) = self.buckets(account, standing.as_ref());
        bucket.check_removal().await?;
        if let Some(named) = &named {
            named.check_removal().await?;
        }
        if self.options.experience == Afterwards::Leave {
            return Ok(Vec::new());
        }
        let administrator = self.administrator(account);
        let audiences = administrator.catalog.audiences().await?;
        let mut all = Vec::new();
        for experience in experiences {
            read(&administrator.catalog, experience).await?;
            all.extend(principals(&audiences, experience));
        }
        Ok(all)
    }

    fn administrator(&self, account: &Account) -> Administrator<'_> {
        Administrator::new(&account.config, self.progress, self.options.timeout)
    }

    /// The default bucket, and the one that was named with `--bucket`.
    fn buckets<'a>(
        &self,
        account: &'a Account,
        standing: Option<&Found>,
    ) -> (Bucket<'a>, Option<Bucket<'a>>) {
        let name = &self.common.name;
        let bucket = Bucket::new(account, default_name(name, account), name);
        let other = standing.and_then(|found| found.parameters.get(CODE_BUCKET).cloned());
        let other = other.filter(|other| other != bucket.name());
        (bucket, other.map(|other| Bucket::new(account, other, name)))
    }

    /// The experiences that its links name, and those that were ever planned for.
    async fn experiences(&self) -> Result<BTreeSet<ExperienceId>, Failure> {
        let lanes = self.lanes().await?.into_iter();
        let mut all = self.known.experiences.clone();
        all.extend(lanes.map(|lane| lane.experience));
        let ledger = &self.context.ledger;
        let onboarding = ledger.onboarding(&self.known.account).await?;
        all.extend(onboarding.and_then(|onboarding| onboarding.experience));
        Ok(all)
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Failure> {
        let entries = self.context.ledger.lanes().await?;
        let entries = self.context.readable(entries).into_iter();
        let lanes = entries.map(|entry| entry.lane);
        Ok(lanes
            .filter(|lane| lane.account == self.known.account)
            .collect())
    }

    fn dead_letters<'a>(&self, account: &'a Account) -> Queue<'a> {
        Queue::new(account, format!("{}-changes-dlq", self.common.name))
    }

    fn tell(&self, experiences: &BTreeSet<ExperienceId>, audiences: &[String]) {
        let (name, member) = (&self.common.name, &self.options.member);
        let account = &self.known.account;
        output::note(&format!("this removes {member} (account {account}):"));
        let mut steps = Vec::new();
        if self.known.is_configured {
            steps.push(
                "its links leave the configuration; what is in flight is left to end".to_owned(),
            );
        }
        let named: Vec<_> = experiences.iter().map(ToString::to_string).collect();
        let named = if named.is_empty() {
            "none is known".to_owned()
        } else {
            named.join(", ")
        };
        steps.push(match self.options.experience {
            Afterwards::Leave => {
                format!("its experiences stay as they are and go on governing: {named}")
            }
            Afterwards::Archive => format!(
                "its experiences are disabled and archived, and govern nobody any more: {named}"
            ),
        });
        if !audiences.is_empty() {
            steps.push(format!(
                "{} can be in the audience of another experience afterwards",
                audiences.join(", ")
            ));
        }
        if self.account.is_some() {
            steps.push(format!(
                "in account {account} the stack {}, the queue {name}-changes-dlq and the bucket {name}-code-{account} are deleted",
                member_stack(name)
            ));
        } else {
            steps.push(format!(
                "in account {account} nothing is deleted: --profile names no credentials for it"
            ));
        }
        steps.push(format!(
            "in account {} the stack {} is deleted",
            self.management.id,
            access_stack(name, account)
        ));
        for step in steps {
            output::note(&format!("  {step}"));
        }
    }

    /// Suspends the member, removes it from the configuration, and waits for a run that closes its
    /// lanes. Then nothing is under way.
    async fn leave_configuration(
        &self,
        member: &MemberName,
        answer: &mut RemovalAnswer,
    ) -> Result<(), Failure> {
        self.progress.step(format!("stopping {member}"));
        let scope = Scope {
            members: vec![member.clone()],
            ..Scope::default()
        };
        let why = self.options.reason.as_deref();
        let why = why.or(Some("the member is removed"));
        suspension::suspend(&self.context, &scope, why, self.progress).await?;
        let asked = (ConfigOrigin::MemberRemove, self.options.reason.as_deref());
        let edited = edit_config(&self.context, asked, |text| match text {
            Some(text) => edit::remove(text, member),
            None => Ok(Edit::Same),
        })
        .await?;
        answer.note(
            format!(
                "member {member} in version {} of the configuration",
                edited.version
            ),
            edited.stored,
        );
        let lanes = self.lanes().await?;
        if self.at_work(&lanes).await?.is_empty() {
            return Ok(());
        }
        self.progress
            .step("waiting until nothing is in flight any more");
        // A run over everything, because only such a run looks for removed links.
        run::request(&self.context, SyncRequest::default()).await?;
        let seconds = self.options.timeout;
        wait_until(Duration::from_secs(seconds), async || {
            let at_work = self.at_work(&lanes).await?;
            if at_work.is_empty() {
                return Ok(Seen::Ready(()));
            }
            let at_work = at_work.join(", ");
            self.progress.detail(format!("waiting for {at_work}"));
            Ok(Seen::NotYet(format!(
                "{at_work} did not come to rest within {seconds} s; run the command again to go on"
            )))
        })
        .await
    }

    async fn at_work(&self, lanes: &[LaneId]) -> Result<Vec<String>, Failure> {
        let mut at_work = Vec::new();
        for lane in lanes {
            let state = self.context.ledger.state(lane).await?;
            let open = self.context.readable(self.context.ledger.open(lane).await?);
            if is_at_work(&state, &open) {
                at_work.push(lane.to_string());
            }
        }
        Ok(at_work)
    }

    async fn archive(
        &self,
        account: &Account,
        experiences: &BTreeSet<ExperienceId>,
        answer: &mut RemovalAnswer,
    ) -> Result<(), Failure> {
        let administrator = self.administrator(account);
        for experience in experiences {
            let settle = async |wanted: &Wanted| {
                let settled = administrator.settle(Some(experience), wanted).await?;
                Ok::<_, Failure>(settled.changed)
            };
            let mut changed = settle(&Wanted::Enabled(false)).await?;
            // An archived experience would keep its audience, and another one could not have it.
            let audiences = administrator.catalog.audiences().await?;
            let principals = principals(&audiences, experience);
            if !principals.is_empty() {
                // What an earlier release archived cannot be changed.
                settle(&Wanted::Revived).await?;
                settle(&Wanted::NoAudience { principals }).await?;
                answer.disassociated.push(experience.to_string());
            }
            // Only a disabled experience can be archived.
            changed |= settle(&Wanted::Archived).await?;
            if changed {
                answer.archived.push(experience.to_string());
            }
        }
        Ok(())
    }

    async fn clear_account(
        &self,
        account: &Account,
        answer: &mut RemovalAnswer,
    ) -> Result<(), Failure> {
        let stack = member_stack(&self.common.name);
        let there = Stacks::new(account, self.progress);
        let standing = there.find(&stack).await?;
        let (bucket, named) = self.buckets(account, standing.as_ref());
        // Before the stack, because only the stack says which bucket it is.
        if let Some(named) = named {
            answer.note_cleared(named.name(), named.clear().await?);
            let left = format!("the bucket {}, which was named with --bucket", named.name());
            answer.left.push(left);
        }
        answer.note(format!("stack {stack}"), there.remove(&stack).await?);
        self.progress.step("deleting what the stack has kept");
        let queue = self.dead_letters(account);
        if !self.options.discard_dead_letters {
            queue.refuse_messages().await?;
        }
        let name = format!("queue {}-changes-dlq", self.common.name);
        answer.note(name, queue.remove().await?);
        answer.note_cleared(bucket.name(), bucket.remove().await?);
        Ok(())
    }

    fn tell_what_is_left(&self, answer: &mut RemovalAnswer) {
        let (name, account) = (&self.common.name, &self.known.account);
        let stack = member_stack(name);
        answer.left.push(format!(
            "everything in account {account}: the stack {stack}, the queue {name}-changes-dlq, the bucket {name}-code-{account}"
        ));
        let queue = format!("https://sqs.us-east-1.amazonaws.com/{account}/{name}-changes-dlq");
        answer.commands.extend([
            format!("aws --region us-east-1 cloudformation delete-stack --stack-name {stack}"),
            format!("aws --region us-east-1 cloudformation wait stack-delete-complete --stack-name {stack}"),
            format!("aws --region us-east-1 sqs delete-queue --queue-url {queue}"),
            format!("aws --region us-east-1 s3 rb --force s3://{name}-code-{account}"),
        ]);
    }
}

/// True if something is claimed, may still be claimed, or is in flight.
fn is_at_work(state: &LaneState, open: &[OpenChange]) -> bool {
    let announced = state
        .planned
        .as_ref()
        .is_some_and(|planned| planned.totals.less(planned.taken).total() > 0);
    let changing = matches!(state.phase, Phase::Starting | Phase::InFlight);
    changing || state.intent.is_some() || !open.is_empty() || announced
}
