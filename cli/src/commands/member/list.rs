//! `member list`: every member that is configured or onboarded.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, MemberName};
use pmp_sync_domain::lane::{LaneState, Phase, Suspension};
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{Onboarding, Suspensions};
use schemars::JsonSchema;
use serde::Serialize;

use super::add::{LinkView, links_of};
use crate::client::configuration::serves;
use crate::client::context::{Context, parsed};
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, age, column};

/// The output of `member list`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberList {
    /// The version of the configuration. None if there is none.
    version: Option<u64>,
    /// The members of the configuration by name, then accounts that are only deployed.
    members: Vec<MemberView>,
}

/// A member.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberView {
    /// Its name. None for an account that is deployed and not configured.
    member: Option<MemberName>,
    /// The member account.
    account: AccountId,
    /// The experience that `member bootstrap` created for it.
    bootstrapped: Option<ExperienceId>,
    /// Its links.
    links: Vec<LinkView>,
    /// The suspension of the member or of everything.
    suspended: Option<Suspension>,
    /// Its experiences for which a run has planned.
    lanes: Vec<LaneView>,
}

/// One of its experiences.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LaneView {
    /// The member experience.
    experience: ExperienceId,
    /// What the lane is doing.
    phase: Phase,
    /// When it was last in sync.
    #[schemars(with = "Option<String>")]
    last_in_sync: Option<Timestamp>,
    /// Seconds since it was last in sync. None if it never was.
    stale_seconds: Option<i64>,
}

/// `member list`
pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let stored = context.ledger.current_config().await?;
    let config = match &stored {
        Some(stored) => parsed(stored)?,
        None => Config::default(),
    };
    let known = context.readable(context.ledger.onboardings().await?);
    let suspensions = context.ledger.suspensions().await?;
    let mut lanes = Vec::new();
    for entry in context.readable(context.ledger.lanes().await?) {
        if config.links.iter().any(|link| serves(link, &entry.lane)) {
            let state = context.if_readable(context.ledger.state(&entry.lane).await)?;
            lanes.extend(state.map(|state| (entry.lane, state)));
        }
    }
    let list = MemberList {
        version: stored.map(|stored| stored.version),
        members: members(&config, known, &suspensions, &lanes, SystemClock.now()),
    };
    if common.json {
        return output::json(&list);
    }
    show(&context, &list)
}

fn members(
    config: &Config,
    known: Vec<Onboarding>,
    suspensions: &Suspensions,
    lanes: &[(LaneId, LaneState)],
    now: Timestamp,
) -> Vec<MemberView> {
    let mut known: BTreeMap<_, _> = known
        .into_iter()
        .map(|known| (known.account.clone(), known))
        .collect();
    let suspension_of = |name: &MemberName| {
        suspensions
            .all
            .as_ref()
            .or_else(|| suspensions.members.get(name))
    };
    let configured = config.members.values().map(|member| MemberView {
        member: Some(member.name.clone()),
        account: member.account.clone(),
        bootstrapped: known
            .remove(&member.account)
            .and_then(|known| known.experience),
        links: links_of(config, &member.name),
        suspended: suspension_of(&member.name).cloned(),
        lanes: lanes
            .iter()
            .filter(|(lane, _)| lane.account == member.account)
            .map(|(lane, state)| lane_view(lane, state, now))
            .collect(),
    });
    let mut members: Vec<_> = configured.collect();
    members.extend(known.into_values().map(|known| MemberView {
        member: None,
        account: known.account,
        bootstrapped: known.experience,
        links: Vec::new(),
        suspended: None,
        lanes: Vec::new(),
    }));
    members
}

fn lane_view(lane: &LaneId, state: &LaneState, now: Timestamp) -> LaneView {
    LaneView {
        experience: lane.experience.clone(),
        phase: state.phase,
        last_in_sync: state.last_in_sync,
        stale_seconds: state
            .last_in_sync
            .map(|at| now.duration_since(at).as_secs().max(0)),
    }
}

fn show(context: &Context, list: &MemberList) -> Result<(), Failure> {
    if list.members.is_empty() {
        return output::line("no member yet");
    }
    let columns = [
        column("MEMBER"),
        column("ACCOUNT"),
        column("FOLLOWS").folds().leaves(1),
        column("EXPERIENCE"),
        column("MODE"),
        column("STATE").folds().state(),
        column("LAST IN SYNC"),
    ];
    output::table(columns, list.members.iter().flat_map(rows))?;
    for member in list.members.iter().filter(|member| member.member.is_none()) {
        context.note(&format!(
            "account {0} is deployed and not configured: `pmp-sync member add NAME --account {0}` adds it",
            member.account
        ));
    }
    Ok(())
}

/// A row for each link, and one for a member without any.
fn rows(member: &MemberView) -> Vec<Vec<String>> {
    let name = output::or_dash(member.member.as_ref());
    let row = |link: Option<&LinkView>| {
        let lanes: Vec<_> = member.lanes.iter().filter(|lane| of(link, lane)).collect();
        // The oldest lane counts. A lane that was never in sync is older than all others.
        let oldest = lanes.iter().min_by_key(|lane| lane.last_in_sync);
        vec![
            name.clone(),
            member.account.to_string(),
            output::or_dash(link.map(|link| &link.sources)),
            output::or_dash(link.map(|link| &link.member_experience)),
            output::or_dash(link.map(|link| link.mode)),
            state(member, link),
            age(oldest.and_then(|lane| lane.last_in_sync)),
        ]
    };
    if member.links.is_empty() {
        return vec![row(None)];
    }
    member.links.iter().map(|link| row(Some(link))).collect()
}

fn of(link: Option<&LinkView>, lane: &LaneView) -> bool {
    link.is_some_and(|link| {
        link.member_experience == "*" || link.member_experience == lane.experience.as_str()
    })
}

fn state(member: &MemberView, link: Option<&LinkView>) -> String {
    let lanes = member.lanes.iter().filter(|lane| of(link, lane));
    let blocked = lanes.filter(|lane| lane.phase == Phase::Blocked).count();
    let words = [
        member.member.is_none().then_some("not configured"),
        (member.member.is_some() && link.is_none()).then_some("no link"),
        member.suspended.is_some().then_some("suspended"),
        link.is_some_and(|link| link.frozen).then_some("frozen"),
        (blocked > 0).then_some("blocked"),
    ];
    let words: Vec<_> = words.into_iter().flatten().collect();
    if words.is_empty() {
        return "active".to_owned();
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
schema = 1
[[member]]
name = "emea"
account = "222222222222"
external_id = "of-emea"
[[member]]
name = "apac"
account = "333333333333"
external_id = "of-apac"
[[link]]
management_experience = "exp-m"
member = "emea"
member_experience = "*"
mode = "additive"
freeze = true
"#;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn members_are_shown_with_what_holds_of_them() {
        let config = Config::parse(TEXT).unwrap();
        let known = |account: &str| {
            let id = "of-it".parse().unwrap();
            let at = at("2026-01-01T00:00:00Z");
            let mut known = Onboarding::new(account.parse().unwrap(), id, at);
            known.experience = Some("exp-made".parse().unwrap());
            known
        };
        let mut suspensions = Suspensions::default();
        let suspension = Suspension {
            by: None,
            since: at("2026-01-01T00:00:00Z"),
        };
        suspensions
            .members
            .insert("emea".parse().unwrap(), suspension);
        let lane = |id: &str, in_sync: Option<&str>, phase| {
            let state = LaneState {
                last_in_sync: in_sync.map(at),
                phase,
                ..LaneState::default()
            };
            (format!("222222222222/{id}").parse().unwrap(), state)
        };
        let lanes = [
            lane("exp-1", Some("2026-01-01T10:00:00Z"), Phase::Idle),
            lane("exp-2", Some("2026-01-01T09:00:00Z"), Phase::Blocked),
        ];
        let known = vec![known("444444444444"), known("333333333333")];
        let now = at("2026-01-01T12:00:00Z");
        let members = members(&config, known, &suspensions, &lanes, now);
        let shown: Vec<_> = members.iter().flat_map(rows).collect();
        let expected = [
            ["apac", "333333333333", "-", "-", "-", "no link", "-"],
            [
                "emea",
                "222222222222",
                "exp-m",
                "*",
                "additive",
                "suspended, frozen, blocked",
                "2026-01-01T09:00:00Z",
            ],
            ["-", "444444444444", "-", "-", "-", "not configured", "-"],
        ];
        assert_eq!(shown, expected);
        assert_eq!(
            members[0].bootstrapped.as_ref().unwrap().as_str(),
            "exp-made"
        );
    }

    #[test]
    fn an_experience_that_was_never_in_sync_is_the_one_that_is_told() {
        let config = Config::parse(TEXT).unwrap();
        let lane = |id: &str, last_in_sync| {
            let state = LaneState {
                last_in_sync,
                ..LaneState::default()
            };
            (format!("222222222222/{id}").parse().unwrap(), state)
        };
        let now = at("2026-01-01T12:00:00Z");
        let lanes = [lane("exp-1", Some(now)), lane("exp-2", None)];
        let members = members(&config, Vec::new(), &Suspensions::default(), &lanes, now);
        let shown: Vec<_> = members.iter().flat_map(rows).collect();
        assert_eq!(shown[1][6..], ["-"]);
    }
}
