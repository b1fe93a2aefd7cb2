//! Decides the next change set from what exists and what is wanted. Pure.

use pmp_sync_aws::catalog::admin::AdminChange;
use pmp_sync_domain::experience::{Audience, Experience, Status};
use pmp_sync_domain::ids::ExperienceId;

/// The wanted state of an experience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It exists with this name and has a procurement policy.
    Made { name: String },
    /// Its audience contains these principals.
    Audience { principals: Vec<String> },
    /// Its audience contains none of these principals.
    NoAudience { principals: Vec<String> },
    /// It governs its audience, or does not.
    Enabled(bool),
    /// It is archived.
    Archived,
    /// It is not archived.
    Revived,
    /// It is not archived while its audience is taken out.
    Opened,
    /// It is archived again after that.
    Closed,
}

/// The most principals in one change (schema of the change types).
const MOST_PRINCIPALS: usize = 50;

impl Wanted {
    /// The verb in the names of change sets.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Made { .. } => "create",
            Self::Audience { .. } => "associate",
            Self::NoAudience { .. } => "disassociate",
            Self::Enabled(true) => "enable",
            Self::Enabled(false) => "disable",
            Self::Archived => "archive",
            Self::Revived => "revive",
            Self::Opened => "open",
            Self::Closed => "close",
        }
    }
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it is as wanted.
    Done(ExperienceId),
    /// Start a change set for this experience. None if the change set creates it.
    Start(Option<ExperienceId>, Vec<AdminChange>),
    /// The wanted state cannot be reached.
    Refuse { message: String, remedy: String },
}

fn refuse(message: String, remedy: impl Into<String>) -> Next {
    Next::Refuse {
        message,
        remedy: remedy.into(),
    }
}

/// The next step to an experience with that name. `found` are all experiences with the name, or the
/// one that is meant.
pub(crate) fn made(name: &str, found: &[Experience]) -> Next {
    let usable: Vec<_> = found.iter().filter(|one| !one.archived).collect();
    let policy = || AdminChange::CreatePolicy {
        name: name.to_owned(),
    };
    match (usable.as_slice(), found) {
        ([one], _) if one.policy.is_some() => Next::Done(one.id.clone()),
        ([one], _) => Next::Start(Some(one.id.clone()), vec![policy()]),
        ([], []) => {
            let create = AdminChange::Create {
                name: name.to_owned(),
            };
            Next::Start(None, vec![create, policy()])
        }
        ([], archived) => {
            let ids = ids(archived.iter());
            refuse(
                format!("the experience {name:?} is archived: {ids}"),
                "take it back with `pmp-sync experience revive --experience ID`, or choose another name",
            )
        }
        (several, _) => {
            let ids = ids(several.iter().copied());
            refuse(
                format!("several experiences are named {name:?}: {ids}"),
                "say which one is meant with --experience",
            )
        }
    }
}

fn ids<'a>(experiences: impl Iterator<Item = &'a Experience>) -> String {
    let ids: Vec<_> = experiences.map(|one| one.id.to_string()).collect();
    ids.join(", ")
}

/// The next step to an experience with that audience. A principal belongs to one experience, and
/// moving it from another one is refused.
pub(crate) fn audience(of: &Experience, audiences: &[Audience], wanted: &[String]) -> Next {
    let mut missing: Vec<_> = wanted
        .iter()
        .filter(|principal| !has(audiences, &of.id, principal))
        .cloned()
        .collect();
    for principal in &missing {
        let other = audiences
            .iter()
            .find(|audience| audience.principals.contains(principal));
        if let Some(other) = other {
            let other = &other.experience;
            return refuse(
                format!(
                    "{principal} is in the audience of {other} already, and can be in one only"
                ),
                format!(
                    "go on with that one (--experience {other}), or take it out of that audience first: `pmp-sync experience disassociate --experience {other} --principal {principal}`"
                ),
            );
        }
    }
    if missing.is_empty() {
        return Next::Done(of.id.clone());
    }
    if of.archived {
        return is_archived(of);
    }
    missing.truncate(MOST_PRINCIPALS);
    let change = AdminChange::Associate {
        principals: missing,
    };
    Next::Start(Some(of.id.clone()), vec![change])
}

/// The principals that an experience has in its audience.
pub(crate) fn principals(audiences: &[Audience], experience: &ExperienceId) -> Vec<String> {
    let own = audiences
        .iter()
        .filter(|audience| audience.experience == *experience);
    own.flat_map(|audience| audience.principals.iter().cloned())
        .collect()
}

/// The next step to an experience without these principals in its audience.
pub(crate) fn no_audience(of: &Experience, audiences: &[Audience], unwanted: &[String]) -> Next {
    let mut there = principals(audiences, &of.id);
    there.retain(|principal| unwanted.contains(principal));
    if there.is_empty() {
        return Next::Done(of.id.clone());
    }
    if of.archived {
        return is_archived(of);
    }
    there.truncate(MOST_PRINCIPALS);
    let change = AdminChange::Disassociate { principals: there };
    Next::Start(Some(of.id.clone()), vec![change])
}

fn has(audiences: &[Audience], experience: &ExperienceId, principal: &str) -> bool {
    let mut own = audiences
        .iter()
        .filter(|audience| audience.experience == *experience);
    own.any(|audience| audience.principals.contains(principal))
}

fn is_archived(of: &Experience) -> Next {
    refuse(
        format!("{} is archived, and cannot be changed", of.id),
        format!(
            "take it back with `pmp-sync experience revive --experience {}`",
            of.id
        ),
    )
}

/// The next step to an enabled or disabled experience.
pub(crate) fn enabled(of: &Experience, wanted: bool) -> Next {
    let is = of.status == Status::Enabled;
    match (is == wanted, of.archived) {
        // An archived experience governs nobody.
        (_, true) if !wanted => Next::Done(of.id.clone()),
        (_, true) => is_archived(of),
        (true, _) => Next::Done(of.id.clone()),
        (false, _) => Next::Start(Some(of.id.clone()), vec![AdminChange::SetEnabled(wanted)]),
    }
}

/// The next step to an archived experience. Only a disabled experience can be archived.
pub(crate) fn archived(of: &Experience) -> Next {
    if of.archived {
        return Next::Done(of.id.clone());
    }
    if of.status == Status::Disabled {
        return Next::Start(Some(of.id.clone()), vec![AdminChange::Restrict]);
    }
    refuse(
        format!(
            "{} is not disabled, and governs its audience until it is",
            of.id
        ),
        format!(
            "disable it with `pmp-sync experience disable --experience {}`, or give --disable",
            of.id
        ),
    )
}

pub(crate) fn revived(of: &Experience) -> Next {
    if of.archived {
        return Next::Start(Some(of.id.clone()), vec![AdminChange::Revive]);
    }
    Next::Done(of.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experience(id: &str) -> Experience {
        Experience {
            id: id.parse().unwrap(),
            name: "Ours".to_owned(),
            status: Status::Disabled,
            archived: false,
            policy: Some("procpolicy-1".parse().unwrap()),
        }
    }

    fn of(id: &str, change: impl FnOnce(&mut Experience)) -> Experience {
        let mut one = experience(id);
        change(&mut one);
        one
    }

    fn done(id: &str) -> Next {
        Next::Done(id.parse().unwrap())
    }

    fn start(id: &str, change: AdminChange) -> Next {
        Next::Start(Some(id.parse().unwrap()), vec![change])
    }

    #[track_caller]
    fn refused(next: &Next, part: &str) {
        match next {
            Next::Refuse { message, .. } => assert!(message.contains(part), "{message}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_experience_is_made_once_and_together_with_its_policy() {
        let Next::Start(None, changes) = made("Ours", &[]) else {
            panic!("nothing is made");
        };
        let name = "Ours".to_owned();
        let create = AdminChange::Create { name: name.clone() };
        let policy = AdminChange::CreatePolicy { name };
        assert_eq!(changes, [create, policy.clone()]);
        assert_eq!(made("Ours", &[experience("exp-1")]), done("exp-1"));
        let without = of("exp-1", |one| one.policy = None);
        assert_eq!(made("Ours", &[without]), start("exp-1", policy));
    }

    #[test]
    fn which_experience_of_a_name_is_meant_is_not_guessed() {
        let two = [experience("exp-1"), experience("exp-2")];
        refused(&made("Ours", &two), "exp-1, exp-2");
        let archived = of("exp-1", |one| one.archived = true);
        refused(
            &made("Ours", std::slice::from_ref(&archived)),
            "archived: exp-1",
        );
        // An archived experience is not the one that is meant.
        assert_eq!(
            made("Ours", &[archived, experience("exp-2")]),
            done("exp-2")
        );
    }

    fn audience_of(id: &str, principals: &[&str]) -> Audience {
        Audience {
            experience: id.parse().unwrap(),
            principals: principals.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_is_missing_comes_into_an_audience() {
        let one = experience("exp-1");
        let wanted = ["o-1".to_owned(), "222222222222".to_owned()];
        let there = [audience_of("exp-1", &["o-1"])];
        let missing = AdminChange::Associate {
            principals: vec![wanted[1].clone()],
        };
        assert_eq!(audience(&one, &there, &wanted), start("exp-1", missing));
        let all = [audience_of("exp-1", &["o-1", "222222222222"])];
        assert_eq!(audience(&one, &all, &wanted), done("exp-1"));
    }

    #[test]
    fn only_those_who_are_in_an_audience_are_taken_out_and_fifty_at_a_time() {
        let one = experience("exp-1");
        let out = |principals: &[&str]| AdminChange::Disassociate {
            principals: principals.iter().map(|one| (*one).to_owned()).collect(),
        };
        let both = ["o-1".to_owned(), "222222222222".to_owned()];
        let there = [
            audience_of("exp-1", &["o-1"]),
            audience_of("exp-2", &["222222222222"]),
        ];
        assert_eq!(
            no_audience(&one, &there, &both),
            start("exp-1", out(&["o-1"]))
        );
        assert_eq!(no_audience(&one, &there[1..], &both), done("exp-1"));
        let archived = of("exp-1", |one| one.archived = true);
        refused(&no_audience(&archived, &there, &both), "archived");
        assert_eq!(no_audience(&archived, &[], &both), done("exp-1"));
        let many: Vec<_> = (0..60).map(|number| format!("o-{number:02}")).collect();
        let all: Vec<_> = many.iter().map(String::as_str).collect();
        let there = [audience_of("exp-1", &all)];
        let first = start("exp-1", out(&all[..50]));
        assert_eq!(no_audience(&one, &there, &many), first);
    }

    #[test]
    fn nobody_is_taken_out_of_another_audience() {
        let there = [audience_of("exp-2", &["o-1"])];
        let next = audience(&experience("exp-1"), &there, &["o-1".to_owned()]);
        refused(&next, "in the audience of exp-2");
    }

    #[test]
    fn an_archived_experience_is_enabled_by_nobody_and_governs_nobody() {
        let archived_one = of("exp-1", |one| one.archived = true);
        refused(&enabled(&archived_one, true), "archived");
        assert_eq!(enabled(&archived_one, false), done("exp-1"));
        assert_eq!(archived(&archived_one), done("exp-1"));
        assert_eq!(revived(&archived_one), start("exp-1", AdminChange::Revive));
        let next = audience(&archived_one, &[], &["o-1".to_owned()]);
        refused(&next, "archived");
    }

    #[test]
    fn an_experience_is_enabled_and_disabled_and_archived_only_when_disabled() {
        let live = of("exp-1", |one| one.status = Status::Enabled);
        let disabled = experience("exp-1");
        assert_eq!(enabled(&live, true), done("exp-1"));
        assert_eq!(enabled(&disabled, false), done("exp-1"));
        let set = |wanted| start("exp-1", AdminChange::SetEnabled(wanted));
        assert_eq!(enabled(&disabled, true), set(true));
        assert_eq!(enabled(&live, false), set(false));
        refused(&archived(&live), "not disabled");
        assert_eq!(archived(&disabled), start("exp-1", AdminChange::Restrict));
        assert_eq!(revived(&live), done("exp-1"));
        // An unknown status does not count as disabled.
        let unknown = of("exp-1", |one| {
            one.status = Status::Other("Paused".to_owned());
        });
        refused(&archived(&unknown), "not disabled");
        assert_eq!(enabled(&unknown, true), set(true));
    }
}
