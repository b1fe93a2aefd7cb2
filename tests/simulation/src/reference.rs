//! The rules by which the simulator and the explorer judge, written down again from docs/semantics.md. None of the
//! product's functions is used, so that a mistake in one is not made twice. Only the modes and the rules for conflicts
//! come from the domain: a new one does not compile here until it has its rule. How often the simulator draws a mode is here,
//! too, so that a new one needs no other file of it.

use std::collections::BTreeSet;

use pmp_sync_domain::guard::GuardName;
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::lane::{MemberMode, MemberRules};
use pmp_sync_domain::link::{LinkPolicy, Mode};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange};
use pmp_sync_domain::sources::Conflict;
use pmp_sync_fakes::Observed;

/// Change sets carry at most so many changes of each kind.
const BATCH: usize = 50;

/// True if a link of this mode makes changes of this kind.
fn makes(mode: Mode, action: Action) -> bool {
    match (mode, action) {
        (Mode::Mirror, Action::Allow | Action::Deny) | (Mode::Additive, Action::Allow) => true,
        (Mode::Additive, Action::Deny) | (Mode::Observe, Action::Allow | Action::Deny) => false,
    }
}

/// How likely a link has this mode.
pub(crate) fn likelihood(mode: Mode) -> u64 {
    match mode {
        Mode::Mirror => 4,
        Mode::Additive | Mode::Observe => 1,
    }
}

/// How links of this mode are counted.
pub(crate) fn counted(mode: Mode) -> &'static str {
    match mode {
        Mode::Mirror => "links: mirror",
        Mode::Additive => "links: additive",
        Mode::Observe => "links: observe",
    }
}

/// True if the link may make this change.
pub(crate) fn may(link: &LinkPolicy, product: &ProductId, action: Action) -> bool {
    let is_protected = action == Action::Deny && link.protect.contains(product);
    let is_untouched = link.frozen || link.exclude.contains(product) || is_protected;
    !is_untouched && makes(link.mode, action)
}

/// True if the member of such a link is expected to be in sync, so that it can be stale.
pub(crate) fn is_expected_in_sync(link: &LinkPolicy) -> bool {
    let follows = match link.mode {
        Mode::Mirror | Mode::Additive => true,
        Mode::Observe => false,
    };
    follows && !link.frozen
}

/// What makes the member's lists what the management experience wants: as many allowed products, no more, and at
/// least as many denied ones.
pub(crate) fn difference(desired: &PolicySnapshot, actual: &PolicySnapshot) -> Plan {
    let allow = desired.allowed() - actual.allowed();
    let no_longer = actual.allowed() - desired.allowed();
    let not_yet = desired.denied() - actual.denied();
    Plan::new(allow, &no_longer | &not_yet)
}

/// The part of the difference that the link may make.
pub(crate) fn left_to_do(
    desired: &PolicySnapshot,
    actual: &PolicySnapshot,
    link: &LinkPolicy,
) -> Plan {
    let all = difference(desired, actual);
    let (mut allow, mut deny) = (all.allow().clone(), all.deny().clone());
    allow.retain(|product| may(link, product, Action::Allow));
    deny.retain(|product| may(link, product, Action::Deny));
    Plan::new(allow, deny)
}

/// The change sets that a plan takes at least.
pub(crate) fn fewest_change_sets(plan: &Plan) -> usize {
    let of = |count: usize| count.div_ceil(BATCH);
    of(plan.allow().len()).max(of(plan.deny().len()))
}

/// The conditions of a management experience, as it was read.
pub(crate) fn oddities(observed: &Observed) -> Vec<GuardName> {
    use pmp_sync_domain::experience::Status;
    let mut odd = Vec::new();
    if observed.experience.archived {
        odd.push(GuardName::ManagementArchived);
    } else if observed.experience.status != Status::Enabled {
        odd.push(GuardName::ManagementDisabled);
    }
    if observed.experience.policy.is_none() {
        odd.push(GuardName::ManagementNoPolicy);
    } else if observed.policy.allowed().is_empty() {
        odd.push(GuardName::ManagementEmpty);
    }
    odd
}

/// What the management experiences of a link want together, product by product.
pub(crate) fn wanted(lists: &[PolicySnapshot], conflict: Conflict) -> PolicySnapshot {
    let listed = lists
        .iter()
        .flat_map(|of| of.allowed().iter().chain(of.denied()));
    let products: BTreeSet<_> = listed.collect();
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    for product in products {
        let is_allowed = lists.iter().any(|of| of.allowed().contains(product));
        let is_denied = lists.iter().any(|of| of.denied().contains(product));
        match (is_allowed, is_denied, conflict) {
            (true, false, _) | (true, true, Conflict::Allow) => allowed.push(product.clone()),
            (false, true, _) | (true, true, Conflict::Deny) => denied.push(product.clone()),
            (false, false, _) => {}
        }
    }
    PolicySnapshot::new(allowed, denied)
}

/// The conditions of the management experiences of a link, as they were read; each with the experience
/// that it is about, if there are several.
pub(crate) fn oddities_of(
    read: &[(ExperienceId, Observed)],
    conflict: Conflict,
) -> Vec<(GuardName, Option<ExperienceId>)> {
    if let [(_, only)] = read {
        return oddities(only)
            .into_iter()
            .map(|name| (name, None))
            .collect();
    }
    let mut odd = Vec::new();
    for (id, observed) in read {
        for name in oddities(observed) {
            // One that only denies is none of them.
            if name != GuardName::ManagementEmpty || observed.policy.denied().is_empty() {
                odd.push((name, Some(id.clone())));
            }
        }
    }
    let lists: Vec<_> = read.iter().map(|(_, of)| of.policy.clone()).collect();
    if wanted(&lists, conflict).allowed().is_empty() {
        odd.push((GuardName::ManagementEmpty, None));
    }
    odd
}

/// True if a member's rules forbid changes of this kind for as long as they are what they are.
pub(crate) fn forbids(rules: &MemberRules, action: Action) -> bool {
    let is_deny = action == Action::Deny;
    match rules.mode {
        MemberMode::All => is_deny && rules.most_denies == Some(0),
        MemberMode::AllowOnly => is_deny,
        MemberMode::Suspended | MemberMode::Other(_) => true,
    }
}

/// Who counts as one person when several have to approve: the principal; of a role not the session, whose name anyone
/// may choose who may use the role, except that of IAM Identity Center, which is the user. None if nobody is named.
pub(crate) fn person(requester: Option<&str>) -> Option<String> {
    let requester = requester.filter(|name| !name.trim().is_empty())?;
    let mut parts = requester.splitn(3, '/');
    let (kind, role) = (parts.next().unwrap_or_default(), parts.next());
    let is_role = kind.contains(":sts:") && kind.ends_with(":assumed-role");
    let one = match role.filter(|role| is_role && !role.starts_with("AWSReservedSSO_")) {
        Some(role) => format!("{kind}/{role}"),
        None => requester.to_owned(),
    };
    Some(one)
}

/// The changes that both have.
pub(crate) fn common(one: &Plan, other: &Plan) -> Plan {
    Plan::new(one.allow() & other.allow(), one.deny() & other.deny())
}

/// The changes of one that the other has not.
pub(crate) fn minus(one: &Plan, other: &Plan) -> Plan {
    Plan::new(one.allow() - other.allow(), one.deny() - other.deny())
}

/// The changes of either; where they are opposites, those of the second.
pub(crate) fn either(one: &Plan, other: &Plan) -> Plan {
    let allow = &(one.allow() - other.deny()) | other.allow();
    let deny = &(one.deny() - other.allow()) | other.deny();
    Plan::new(allow, deny)
}

/// True if the plan has the opposite of a change.
pub(crate) fn is_opposite(change: &ProductChange, plan: &Plan) -> bool {
    match change.action {
        Action::Allow => plan.deny().contains(&change.product),
        Action::Deny => plan.allow().contains(&change.product),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
        let ids = |ids: &[&str]| -> Vec<_> {
            let ids = ids.iter().map(|id| ProductId::new(*id));
            ids.filter_map(Result::ok).collect()
        };
        PolicySnapshot::new(ids(allowed), ids(denied))
    }

    /// What docs/semantics.md says of each standing on either side.
    #[test]
    fn the_difference_allows_what_is_wanted_and_denies_what_is_not() {
        let desired = lists(
            &["prod-aa", "prod-ad", "prod-au"],
            &["prod-da", "prod-dd", "prod-du"],
        );
        let actual = lists(
            &["prod-aa", "prod-da", "prod-ua"],
            &["prod-ad", "prod-dd", "prod-ud"],
        );
        let left = difference(&desired, &actual);
        let expected = lists(&["prod-ad", "prod-au"], &["prod-da", "prod-du", "prod-ua"]);
        assert_eq!(left.allow(), expected.allowed());
        assert_eq!(left.deny(), expected.denied());
    }

    /// What docs/semantics.md says of several management experiences.
    #[test]
    fn what_several_want_is_what_any_of_them_lists_and_a_conflict_goes_by_the_rule() {
        let all = [
            lists(&["prod-a", "prod-ad"], &["prod-d"]),
            lists(&["prod-b"], &["prod-ad"]),
        ];
        let denied = lists(&["prod-a", "prod-b"], &["prod-ad", "prod-d"]);
        assert_eq!(wanted(&all, Conflict::Deny), denied);
        let allowed = lists(&["prod-a", "prod-ad", "prod-b"], &["prod-d"]);
        assert_eq!(wanted(&all, Conflict::Allow), allowed);
    }

    #[test]
    fn sessions_of_a_role_are_one_person_and_users_of_identity_center_are_not() {
        let of = |text: &str| person(Some(text));
        let role = "arn:aws:sts::222222222222:assumed-role/Ops";
        assert_eq!(of(&format!("{role}/one")), of(&format!("{role}/two")));
        let center = "arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_Ops_1";
        assert_ne!(of(&format!("{center}/one")), of(&format!("{center}/two")));
        let user = "arn:aws:iam::222222222222:user/team";
        assert_ne!(of(&format!("{user}/one")), of(&format!("{user}/two")));
        assert_eq!((person(None), of(" ")), (None, None));
    }
}
