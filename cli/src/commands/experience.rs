//! `pmp-sync experience`: experiences of one account are made, get an audience, are enabled, disabled,
//! archived and revived. Everything is safe to repeat.

use clap::{Args, Subcommand};
use pmp_sync_aws::catalog::admin::CatalogAdmin;
use pmp_sync_domain::experience::Audience;
use pmp_sync_domain::ids::ExperienceId;

use crate::client::access::sdk_config_for;
use crate::client::confirm::confirm;
use crate::client::experience::administrator::{Administrator, Settled};
use crate::client::experience::named::{Called, ExperienceName, called, find};
use crate::client::experience::view::{ExperienceChange, ExperienceList, ExperienceView, look};
use crate::client::experience::{WAIT, Wanted, agree, name, organization};
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum ExperienceCommand {
    /// Create an experience with an empty procurement policy, unless one of that name exists. It is
    /// disabled, and governs nobody.
    Create {
        /// Its name: 1 to 50 letters, digits, spaces, _ or -.
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        which: Which,
    },
    /// Add the account's organization, or others, to the audience of the experience.
    Associate {
        /// An organization (o-...), unit (ou-...) or account; the account's organization if none is
        /// given. May be given several times.
        #[arg(long = "principal", value_name = "ID")]
        principals: Vec<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Take principals out of the audience of the experience, so that another one can have them. An
    /// archived experience is archived again afterwards. Asks if the experience is enabled.
    Disassociate {
        /// An organization (o-...), unit (ou-...) or account; everything that is in the audience if
        /// none is given. May be given several times.
        #[arg(long = "principal", value_name = "ID")]
        principals: Vec<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Let the experience govern its audience. Says what that means, and asks.
    Enable {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Let the experience govern nobody. It keeps its lists.
    Disable(Which),
    /// Archive a disabled experience.
    Archive {
        /// Disable it first.
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Take an archived experience back. It stays disabled.
    Revive(Which),
    /// List the experiences. Changes nothing.
    List {
        #[command(flatten)]
        acting: Acting,
    },
}

/// Which experience, of which account.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The experience: its id, its name, or a part of its name. Needed only if several can be meant.
    #[arg(long, value_name = "ID|NAME")]
    experience: Option<ExperienceName>,
    #[command(flatten)]
    acting: Acting,
    /// The longest time to wait for change sets, in seconds.
    #[arg(long, default_value_t = WAIT)]
    timeout: u64,
}

/// With whose credentials.
#[derive(Debug, Args)]
pub(crate) struct Acting {
    /// The AWS profile with credentials of the account that administers the experiences [default: the
    /// SDK's default chain].
    #[arg(long)]
    profile: Option<String>,
}

pub(crate) async fn run(common: &Common, command: &ExperienceCommand) -> Result<(), Failure> {
    match command {
        ExperienceCommand::List { acting } => list(common, acting).await,
        ExperienceCommand::Create { name, which } => {
            let wanted = Wanted::Made { name: name.clone() };
            change(common, which, &[wanted], None).await
        }
        ExperienceCommand::Associate { principals, which } => {
            let principals = if principals.is_empty() {
                let config = sdk_config_for(which.acting.profile.as_deref()).await?;
                vec![organization(&config).await?]
            } else {
                principals.clone()
            };
            change(common, which, &[Wanted::Audience { principals }], None).await
        }
        ExperienceCommand::Disassociate {
            principals: given,
            yes,
            which,
        } => disassociate(common, which, given, *yes).await,
        ExperienceCommand::Enable { yes, which } => {
            change(common, which, &[Wanted::Enabled(true)], Some(*yes)).await
        }
        ExperienceCommand::Disable(which) => {
            change(common, which, &[Wanted::Enabled(false)], None).await
        }
        ExperienceCommand::Archive { disable, which } => {
            let both = [Wanted::Enabled(false), Wanted::Archived];
            let wanted = if *disable { &both[..] } else { &both[1..] };
            change(common, which, wanted, None).await
        }
        ExperienceCommand::Revive(which) => change(common, which, &[Wanted::Revived], None).await,
    }
}

/// Brings the experience to the wanted states, one after the other. `asks` is some if the operator
/// must agree first, and true if they have.
async fn change(
    common: &Common,
    which: &Which,
    wanted: &[Wanted],
    asks: Option<bool>,
) -> Result<(), Failure> {
    let config = sdk_config_for(which.acting.profile.as_deref()).await?;
    let progress = Progress::new();
    let administrator = Administrator::new(&config, &progress, which.timeout);
    let changing = async {
        let makes = matches!(wanted, [Wanted::Made { .. }]);
        let mut id = match &which.experience {
            None if !makes => Some(only(&administrator.catalog, wanted).await?),
            None => None,
            Some(given) => Some(find(&administrator.catalog, given).await?),
        };
        if let (Some(yes), Some(id)) = (asks, &id) {
            agree(&administrator, id, yes, &progress).await?;
        }
        let mut changed = false;
        for wanted in wanted {
            let settled = administrator.settle(id.as_ref(), wanted).await?;
            changed |= settled.changed;
            id = Some(settled.experience);
        }
        let Some(experience) = id else {
            return Err(Failure::NotWell("there is nothing to do".to_owned()));
        };
        let settled = Settled {
            experience,
            changed,
        };
        shown(&administrator.catalog, settled).await
    }
    .await;
    progress.finish();
    show(common, &changing?)
}

/// Takes principals out of the audience of an experience.
async fn disassociate(
    common: &Common,
    which: &Which,
    given: &[String],
    yes: bool,
) -> Result<(), Failure> {
    let config = sdk_config_for(which.acting.profile.as_deref()).await?;
    let progress = Progress::new();
    let administrator = Administrator::new(&config, &progress, which.timeout);
    let changing = async {
        let catalog = &administrator.catalog;
        let audiences = catalog.audiences().await?;
        let id = if let Some(named) = &which.experience {
            find(catalog, named).await?
        } else {
            match with(&audiences, given).as_slice() {
                [only] => (*only).clone(),
                [] => return Err(nobody()),
                all => return Err(several(called(catalog, all.iter().copied()).await)),
            }
        };
        let view = look(catalog, &id, &audiences).await?;
        let named = |principal: &String| given.is_empty() || given.contains(principal);
        let unwanted: Vec<_> = view.principals.iter().filter(|one| named(one)).cloned().collect();
        if view.status == "Enabled" && !unwanted.is_empty() {
            progress.finish();
            output::note(&format!(
                "{id} ({}) is enabled. It does not govern {} any more: from then on nothing is restricted there, unless another experience does it.",
                view.name,
                unwanted.join(", ")
            ));
            confirm(yes, "Take them out?")?;
        }
        // Also goes on with an archived experience that an interrupted command has left open.
        let changed = administrator.release(&id, &unwanted).await?;
        let settled = Settled {
            experience: id,
            changed,
        };
        shown(catalog, settled).await
    }
    .await;
    progress.finish();
    show(common, &changing?)
}

/// The experiences that have one of these principals in their audience, or anybody if none is given.
fn with<'a>(audiences: &'a [Audience], given: &[String]) -> Vec<&'a ExperienceId> {
    let has = |audience: &&Audience| {
        let mut principals = audience.principals.iter();
        principals.any(|principal| given.is_empty() || given.contains(principal))
    };
    let mut meant: Vec<_> = audiences
        .iter()
        .filter(has)
        .map(|one| &one.experience)
        .collect();
    meant.dedup();
    meant
}

/// How an experience is named, to end a failure with.
const NAME_IT: &str =
    "name it with --experience, by its id or its name; `pmp-sync experience list` lists them all";

fn nobody() -> Failure {
    Failure::Unknown {
        message: "no experience of this account has such an audience".to_owned(),
        remedy: NAME_IT.to_owned(),
    }
}

fn several(listed: impl std::fmt::Display) -> Failure {
    Failure::Unknown {
        message: format!("several experiences could be meant: {listed}"),
        remedy: NAME_IT.to_owned(),
    }
}

fn show(common: &Common, change: &ExperienceChange) -> Result<(), Failure> {
    let now = &change.now;
    if now.archived && !now.principals.is_empty() {
        output::note(&format!(
            "no other experience can have its audience until `pmp-sync experience disassociate --experience {}` takes it out",
            now.experience
        ));
    }
    if common.json {
        return output::json(change);
    }
    let outcome = if change.changed {
        "is changed"
    } else {
        "is unchanged"
    };
    output::line(&format!("{} {outcome}", now.experience))?;
    table(std::slice::from_ref(now))
}

async fn shown(catalog: &CatalogAdmin, settled: Settled) -> Result<ExperienceChange, Failure> {
    let audiences = catalog.audiences().await?;
    Ok(ExperienceChange {
        changed: settled.changed,
        now: look(catalog, &settled.experience, &audiences).await?,
    })
}

/// The only experience that can be meant.
async fn only(catalog: &CatalogAdmin, wanted: &[Wanted]) -> Result<ExperienceId, Failure> {
    let names = catalog.names().await?;
    let archived = matches!(wanted, [Wanted::Revived]);
    let mut meant = Vec::new();
    for (id, name) in names {
        if catalog.experience(&id).await?.archived == archived {
            meant.push((id, name));
        }
    }
    if let [(only, _)] = meant.as_slice() {
        return Ok(only.clone());
    }
    let there = meant.iter().map(|(id, name)| Called(id, name).to_string());
    let there: Vec<_> = there.collect();
    if there.is_empty() {
        return Err(Failure::Unknown {
            message: "this account has no experience that could be meant".to_owned(),
            remedy: NAME_IT.to_owned(),
        });
    }
    Err(several(there.join(", ")))
}

async fn list(common: &Common, acting: &Acting) -> Result<(), Failure> {
    let config = sdk_config_for(acting.profile.as_deref()).await?;
    let catalog = CatalogAdmin::new(&config);
    let mut names = catalog.names().await?;
    names.sort();
    let audiences = catalog.audiences().await?;
    let mut experiences = Vec::new();
    for (id, _) in names {
        experiences.push(look(&catalog, &id, &audiences).await?);
    }
    if common.json {
        return output::json(&ExperienceList { experiences });
    }
    if experiences.is_empty() {
        return output::line("no experience yet");
    }
    table(&experiences)
}

fn table(experiences: &[ExperienceView]) -> Result<(), Failure> {
    let columns = [
        column("EXPERIENCE"),
        column("NAME").folds(),
        column("STATE").state(),
        column("ALLOWED").number(),
        column("DENIED").number(),
        column("AUDIENCE").folds(),
    ];
    output::table(columns, experiences.iter().map(ExperienceView::row))
}
