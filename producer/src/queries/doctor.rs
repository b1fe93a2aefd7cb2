//! Checks whether the producer reaches everything that a run needs: each member's role, catalog and
//! queues, the management experiences, AWS Marketplace. It writes, sends and removes nothing.

use std::collections::BTreeSet;

use futures::{StreamExt as _, future, stream};
use pmp_sync_domain::answers::doctor::{
    DoctorAnswer, DoctorRequest, ExperienceSeen, LanesLook, LinkLook, Look, ManagementLook,
    MemberLook, PolicySeen, Trouble,
};
use pmp_sync_domain::delivery::QUARANTINED;
use pmp_sync_domain::error::{Kind, LinkError, RunError, ServiceError};
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::link::{Link, Member, Target};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Clock, DeadLetterBox, Discovery, Lanes, LookAtQueues, Members, ReadCatalog, ReadRuns,
};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{DeadLetterFilter, Scope};
use pmp_sync_domain::{SCHEMA, Timestamp};

use crate::claims::Claims;
use crate::context::{Context, Marketplace};
use crate::letters::{put_back, receive};
use crate::quarantine::{OfMember, differences, lanes_of, quarantined_of};
use crate::reach::{READS_AT_ONCE, targets};
use crate::setup::Setup;

/// The most time for reading a member's dead letters, in seconds.
const COMPARING: i64 = 8;
/// Members that are checked concurrently.
const MEMBERS_AT_ONCE: usize = 16;

/// Checks what the request selects. It begins with no further member after `until`.
pub async fn doctor<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    request: &DoctorRequest,
    until: Timestamp,
) -> Result<DoctorAnswer, RunError>
where
    L: Lanes + ReadRuns,
    A: Marketplace,
    M: Members,
    S: Clock,
{
    let setup = &Setup::read(&context.ledger).await?;
    let of_member =
        |member: &Member| request.members.is_empty() || request.members.contains(&member.name);
    let members = setup.config.members.values();
    let members: Vec<_> = members.filter(|member| of_member(member)).collect();
    let links = setup.config.links.iter();
    let links = links.filter(|link| of_member(&link.member));
    let sources: BTreeSet<_> = links.flat_map(|link| link.sources.iter()).collect();
    let alone = setup
        .config
        .links
        .iter()
        .filter(|link| !link.sources.are_several());
    let alone: BTreeSet<_> = alone.map(|link| link.sources.first()).collect();
    let catalog = &context.marketplace;
    let management = stream::iter(sources).map(|id| async move {
        let (experience, policy) = look_at(catalog, id).await;
        (id.clone(), experience, policy)
    });
    let management = management.buffered(READS_AT_ONCE).collect::<Vec<_>>();
    let claims = &Claims::default();
    let looks = stream::iter(members)
        .map(|member| look_at_member(context, (setup, claims), member, until))
        .buffered(MEMBERS_AT_ONCE)
        .collect();
    let (management, members): (Vec<_>, Vec<MemberLook>) = future::join(management, looks).await;
    let product = management.iter().find_map(|(_, _, policy)| match policy {
        Look::Seen(policy) => policy.allowed().iter().next().cloned(),
        _ => None,
    });
    let discovery = look_up(catalog, product.as_ref()).await;
    let management = management.into_iter().map(|(id, experience, policy)| {
        let policy = policy.map(|policy| PolicySeen::from(&policy));
        ManagementLook {
            among_others: !alone.contains(&id),
            id,
            experience,
            policy,
        }
    });
    Ok(DoctorAnswer {
        schema: SCHEMA,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        config_version: setup.version,
        management: management.collect(),
        discovery,
        members,
    })
}

/// Checks whether AWS Marketplace answers for a product, whatever the answer.
async fn look_up<D: Discovery>(discovery: &D, product: Option<&ProductId>) -> Look<()> {
    let Some(product) = product else {
        return Look::Skipped("no management experience allows a product".to_owned());
    };
    match discovery.product(product).await {
        Err(error) if error.kind == Kind::Refused => Look::Seen(()),
        answer => Look::of(answer.map(drop)),
    }
}

async fn look_at_member<L: Lanes + ReadRuns, A, M: Members, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    (setup, claims): (&Setup, &Claims),
    member: &Member,
    until: Timestamp,
) -> MemberLook {
    let began = context.now();
    if began > until {
        return unreached(setup, member, None, "the producer's time was up");
    }
    let connection = match context.members.connect(member).await {
        Ok(connection) => connection,
        Err(error) => {
            let because = "the member's role could not be assumed";
            let mut look = unreached(setup, member, Some(Trouble::of(&error)), because);
            look.milliseconds = milliseconds(began, context.now());
            return look;
        }
    };
    let queues = future::join3(
        connection.changes_depth(),
        connection.dead_letters_depth(),
        connection.glance(),
    );
    let (experiences, (changes, dead_letters, receive), links) = future::join3(
        connection.experiences(),
        queues,
        look_at_links(&context.ledger, (setup, claims), member, &connection),
    )
    .await;
    // After the look at the queue: the letters are hidden while they are compared.
    let lanes = look_at_lanes(context, member, &connection).await;
    MemberLook {
        member: member.name.clone(),
        account: member.account.clone(),
        role: Look::Seen(()),
        experiences: Look::of(experiences.map(|ids| ids.len())),
        changes: Look::of(changes),
        dead_letters: Look::of(dead_letters),
        receive: Look::of(receive),
        lanes: Some(Look::of(lanes)),
        links,
        milliseconds: milliseconds(began, context.now()),
    }
}

/// The answer for a member that was not reached.
fn unreached(
    setup: &Setup,
    member: &Member,
    trouble: Option<Trouble>,
    because: &str,
) -> MemberLook {
    let links = links_of(setup, member).map(|link| {
        let id = link.lane().map(|lane| lane.experience);
        blank(link, id, Look::Skipped(because.to_owned()), because)
    });
    let skipped = || because.to_owned();
    MemberLook {
        member: member.name.clone(),
        account: member.account.clone(),
        role: trouble.map_or_else(|| Look::Skipped(skipped()), Look::Failed),
        experiences: Look::Skipped(skipped()),
        changes: Look::Skipped(skipped()),
        dead_letters: Look::Skipped(skipped()),
        receive: Look::Skipped(skipped()),
        lanes: Some(Look::Skipped(skipped())),
        links: links.collect(),
        milliseconds: 0,
    }
}

/// Compares the quarantined changes of the ledger with the dead letters, and looks for other
/// installations.
async fn look_at_lanes<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    member: &Member,
    connection: &C,
) -> Result<LanesLook, ServiceError>
where
    L: Lanes + ReadRuns,
    S: Clock,
    C: DeadLetterBox + LookAtQueues,
{
    let ledger = &context.ledger;
    let quarantined = quarantined_of(ledger, member).await?;
    let mut look = LanesLook {
        quarantined: quarantined.len(),
        ..LanesLook::default()
    };
    for lane in lanes_of(ledger, member).await? {
        let state = match ledger.state(&lane).await {
            // The command reads it, too, and reports it.
            Err(error) if error.is_unreadable() => continue,
            state => state?,
        };
        let active = state.contested_by(context.now());
        let contested = active.map(|other| (lane.experience.clone(), other.clone()));
        look.contested.extend(contested);
    }
    let filter = DeadLetterFilter {
        reasons: vec![QUARANTINED.to_owned()],
        ..DeadLetterFilter::default()
    };
    let none = OfMember::new();
    let selected = receive(connection, member, &none, &filter, COMPARING).await?;
    let (without_letter, without_quarantine) = differences(&selected.reads, &quarantined);
    put_back(connection, &selected.reads).await;
    look.unseen = !selected.left.is_nothing();
    look.without_letter = without_letter.len();
    look.without_quarantine = without_quarantine;
    Ok(look)
}

fn blank(
    link: &Link,
    id: Option<ExperienceId>,
    experience: Look<ExperienceSeen>,
    because: &str,
) -> LinkLook {
    LinkLook {
        sources: link.sources.clone(),
        id,
        mode: link.policy.mode,
        experience,
        policy: Look::Skipped(because.to_owned()),
        warning: None,
    }
}

fn links_of<'a>(setup: &'a Setup, member: &'a Member) -> impl Iterator<Item = &'a Link> {
    let links = setup.config.links.iter();
    links.filter(|link| link.member.name == member.name)
}

/// Reads the member's experiences for each of its links.
async fn look_at_links<L: ReadRuns, C: ReadCatalog>(
    ledger: &L,
    (setup, claims): (&Setup, &Claims),
    member: &Member,
    connection: &C,
) -> Vec<LinkLook> {
    let mut wanted = Vec::new();
    let (mut unknown, mut nothing, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for link in links_of(setup, member) {
        match &link.target {
            Target::One(id) => wanted.push((link, id.clone())),
            Target::EveryLive => {
                let everything = [Scope::default()];
                let found = targets(connection, &setup.config, link, &everything).await;
                let found = match found {
                    Ok(all) => claims.take(ledger, setup, link, all).await,
                    Err(error) => Err(error),
                };
                match found {
                    Ok(all) if all.is_nothing() => nothing.push(link),
                    Ok(all) => {
                        wanted.extend(all.experiences.into_iter().map(|id| (link, id)));
                        left_out.extend(all.left_out.into_iter().map(|(id, why)| (link, id, why)));
                    }
                    Err(error) => unknown.push((link, error.to_string())),
                }
            }
        }
    }
    let looks = stream::iter(wanted).map(|(link, id)| async move {
        let (experience, policy) = look_at(connection, &id).await;
        LinkLook {
            policy: policy.map(|policy| PolicySeen::from(&policy)),
            ..blank(link, Some(id), experience, "")
        }
    });
    let mut looks: Vec<_> = looks.buffered(READS_AT_ONCE).collect().await;
    looks.extend(unknown.into_iter().map(|(link, message)| {
        let trouble = Trouble {
            kind: Kind::Retryable,
            message,
        };
        blank(
            link,
            None,
            Look::Failed(trouble),
            "its experiences are not known",
        )
    }));
    looks.extend(left_out.into_iter().map(|(link, id, error)| LinkLook {
        warning: Some(error.record()),
        ..blank(
            link,
            Some(id),
            Look::Skipped(error.to_string()),
            "the experience is left out",
        )
    }));
    looks.extend(nothing.into_iter().map(|link| {
        let error = LinkError::NoTargets(member.account.clone());
        LinkLook {
            warning: Some(error.record()),
            ..blank(
                link,
                None,
                Look::Skipped(error.to_string()),
                "there is none",
            )
        }
    }));
    looks
}

/// Reads an experience and its policy.
async fn look_at<C: ReadCatalog>(
    catalog: &C,
    id: &ExperienceId,
) -> (Look<ExperienceSeen>, Look<PolicySnapshot>) {
    let experience: Experience = match catalog.experience(id).await {
        Ok(experience) => experience,
        Err(error) => {
            let because = "the experience could not be read".to_owned();
            return (Look::Failed(Trouble::of(&error)), Look::Skipped(because));
        }
    };
    let policy = match &experience.policy {
        Some(policy) => Look::of(catalog.policy(policy).await),
        None => Look::Skipped("the experience has none".to_owned()),
    };
    (Look::Seen(ExperienceSeen::from(&experience)), policy)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a negative or absurd time is reported as the nearest that can be represented"
)]
fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    (elapsed(from, to) * 1_000.0).max(0.0) as u64
}
