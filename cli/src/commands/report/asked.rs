//! The questions to the producer: the standings and dead letters of a few members at a time, so
//! that each answer stays below the limit of Lambda. An error is a fault of those members only.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::answers::dead_letters::{DeadLetterList, ListedLetter};
use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::report::{LinkStandings, ManagementLists, ReportPart, ReportRequest};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{ExperienceId, MemberName};
use pmp_sync_domain::plan::InvalidProducts;
use pmp_sync_domain::records::LettersLeft;
use pmp_sync_domain::sync_state::SyncState;
use pmp_sync_domain::text::count;
use pmp_sync_domain::wire::{DEAD_LETTERS_REQUESTED, DeadLetterFilter, REPORT_REQUESTED, Scope};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use pmp_sync_report::Letters;

use crate::client::context::Context;
use crate::client::invoke::ask;
use crate::failure::Failure;
use crate::progress::Progress;

/// Members in one question: as many as the producer observes concurrently.
const MEMBERS_AT_ONCE: usize = 8;
/// Questions that are asked concurrently.
const QUESTIONS_AT_ONCE: usize = 3;
/// The code of an answer that would be too large.
const TOO_LARGE: &str = "PMS-8001";

/// Everything that the producer has answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) management: BTreeMap<ExperienceId, ManagementLists>,
    pub(crate) links: Vec<LinkStandings>,
    pub(crate) left_out: Vec<LeftOutLink>,
    pub(crate) letters: BTreeMap<MemberName, Letters>,
    /// What is missing in the letters.
    pub(crate) left: BTreeMap<MemberName, LettersLeft>,
}

/// Asks about every member of the scope that has a link.
pub(crate) async fn ask_all(
    context: &Context,
    config: &Config,
    scope: &Scope,
    progress: &Progress,
) -> Answers {
    let is_wanted = |name: &MemberName| {
        let has_link = config.links.iter().any(|link| link.member.name == *name);
        has_link && (scope.members.is_empty() || scope.members.contains(name))
    };
    let names = config.members.keys().filter(|name| is_wanted(name));
    let names: Vec<_> = names.cloned().collect();
    let total = names.len();
    let groups: Vec<_> = names.chunks(MEMBERS_AT_ONCE).map(<[_]>::to_vec).collect();
    let mut parts = stream::iter(groups)
        .map(|members| {
            // Boxed, because the future of a call to the SDK is large.
            Box::pin(async move {
                let (parts, letters) = futures::join!(
                    standings(context, config, members.clone()),
                    letters(context, &members)
                );
                (members.len(), parts, letters)
            })
        })
        .buffered(QUESTIONS_AT_ONCE);
    let mut answers = Answers::default();
    let mut done = 0;
    while let Some((members, parts, letters)) = parts.next().await {
        done += members;
        progress.step(format!("{done} of {}", count(total, "member")));
        for part in parts {
            answers.links.extend(part.links);
            answers.left_out.extend(part.left_out);
            for lists in part.management {
                // An answer with lists says more than one with a fault.
                let known = answers.management.get(&lists.experience);
                if known.is_none_or(|known| known.fault.is_some()) {
                    answers.management.insert(lists.experience.clone(), lists);
                }
            }
        }
        let (letters, left) = letters;
        answers.letters.extend(letters);
        answers.left.extend(left);
    }
    answers
}

/// The standings of these members. A question that is too large is split.
async fn standings(
    context: &Context,
    config: &Config,
    members: Vec<MemberName>,
) -> Vec<ReportPart> {
    let mut groups = vec![members];
    let mut parts = Vec::new();
    while let Some(mut members) = groups.pop() {
        let request = ReportRequest {
            scope: Scope {
                members: members.clone(),
                experiences: Vec::new(),
            },
        };
        match question::<ReportPart>(context, REPORT_REQUESTED, json!(request)).await {
            Ok(part) => parts.push(part),
            Err(fault) if fault.code == TOO_LARGE && members.len() > 1 => {
                let rest = members.split_off(members.len() / 2);
                groups.extend([rest, members]);
            }
            Err(fault) => parts.push(failed(config, &members, &fault)),
        }
    }
    parts
}

async fn letters(
    context: &Context,
    members: &[MemberName],
) -> (
    BTreeMap<MemberName, Letters>,
    Vec<(MemberName, LettersLeft)>,
) {
    let filter = DeadLetterFilter {
        members: members.to_vec(),
        ..DeadLetterFilter::default()
    };
    let detail = json!({ "filter": filter });
    let list = question::<DeadLetterList>(context, DEAD_LETTERS_REQUESTED, detail).await;
    let list = match list {
        Ok(list) => list,
        Err(fault) => {
            let of_all = members
                .iter()
                .map(|name| (name.clone(), Err(fault.clone())));
            return (of_all.collect(), Vec::new());
        }
    };
    let none = members.iter().map(|name| (name.clone(), Ok(Vec::new())));
    let mut letters: BTreeMap<_, Letters> = none.collect();
    for ListedLetter { letter, .. } in list.letters {
        if let Some(Ok(of_member)) = letters.get_mut(&letter.member) {
            of_member.push(letter);
        }
    }
    for (member, fault) in list.faults {
        letters.insert(member, Err(fault));
    }
    (letters, list.left)
}

async fn question<T: DeserializeOwned>(
    context: &Context,
    what: &str,
    detail: Value,
) -> Result<T, FaultRecord> {
    ask(context, what, detail)
        .await
        .map_err(|error| fault(&error))
}

fn fault(failure: &Failure) -> FaultRecord {
    failure.record(
        "see the message; a producer of an earlier release cannot answer: deploy the management stack anew",
    )
}

/// The standings of members without an answer.
fn failed(config: &Config, members: &[MemberName], fault: &FaultRecord) -> ReportPart {
    let links = config.links.iter();
    let links = links.filter(|link| members.contains(&link.member.name));
    let links = links.map(|link| LinkStandings {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience: link.lane().map(|lane| lane.experience),
        sources: link.sources.clone(),
        conflict: link.conflict,
        mode: link.policy.mode,
        state: Some(SyncState::Unreachable),
        differing: Vec::new(),
        whys: Vec::new(),
        denied_besides: Vec::new(),
        held_for: Vec::new(),
        invalid: InvalidProducts::default(),
        fault: Some(fault.clone()),
    });
    ReportPart {
        schema: pmp_sync_domain::SCHEMA,
        config_version: 0,
        management: Vec::new(),
        links: links.collect(),
        left_out: Vec::new(),
    }
}
