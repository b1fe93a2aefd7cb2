//! What the member and the operator hold back, on the deployed Lambdas: The member's own rules, freezes,
//! first policies.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::ports::{Bus as _, ReadRuns as _, ReadSets as _};
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{SyncRequest, approval_requested, sync_requested};
use pmp_sync_local::marketplace::{Lists, NewExperience};
use pmp_sync_local::scenario::{Installation, link};

use crate::setup::{
    PATIENCE, UNGUARDED, block_on, change_sets, embedded, emulator, ids, install, install_with,
    lane_until, lists, mirror, mirror_with,
};

fn lane(installation: &Installation<'_>, experience: &str) -> LaneId {
    LaneId {
        account: installation.members[0].account.parse().unwrap(),
        experience: experience.parse().unwrap(),
    }
}

fn bus(installation: &Installation<'_>) -> pmp_sync_aws::bus::EventBus {
    let config = embedded().config(&installation.management.account);
    pmp_sync_aws::bus::EventBus::new(&config, &installation.stacks.management.name)
}

/// What the newest run left alone on the experience, with the reasons.
async fn left_alone(
    installation: &Installation<'_>,
    run: &RunRecord,
    experience: &str,
) -> BTreeMap<String, Reason> {
    let record = installation
        .ledger
        .link(run.run, &lane(installation, experience))
        .await
        .unwrap()
        .unwrap();
    let left = record.left_alone.iter();
    left.map(|left| (left.product.to_string(), left.reason))
        .collect()
}

#[test]
fn a_member_that_only_allows_denies_nothing_whatever_is_planned() {
    block_on(async {
        let installation = install_with(51, 1, &[("MemberMode", "allow-only")]).await;
        let (wanted, had) = (ids("w", 4), ids("h", 3));
        let (_, experience) = mirror_with(
            &installation,
            lists(&wanted, &BTreeSet::new()),
            lists(&had, &BTreeSet::new()),
            UNGUARDED,
        )
        .await;
        installation.sync(PATIENCE).await.unwrap();
        // The worker has told of its rules by now, and plans go by them.
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        let all: BTreeSet<_> = wanted.union(&had).cloned().collect();
        assert_eq!(installation.lists(&experience).allow, all);
        let left: BTreeMap<_, _> = had
            .iter()
            .map(|product| (product.clone(), Reason::MemberRules))
            .collect();
        assert_eq!(left_alone(&installation, &run, &experience).await, left);
        for set in change_sets(&experience) {
            assert!(
                !format!("{set:?}").contains("DenyProductProcurement"),
                "{set:?}"
            );
        }
        let state = installation
            .lane(&lane(&installation, &experience))
            .await
            .unwrap();
        assert!(state.member.is_some() && state.last_in_sync.is_none());
    });
}

#[test]
fn a_member_that_is_suspended_starts_nothing() {
    block_on(async {
        let installation = install_with(52, 1, &[("MemberMode", "suspended")]).await;
        let (_, experience) = mirror(
            &installation,
            lists(&ids("w", 4), &BTreeSet::new()),
            Lists::default(),
        )
        .await;
        installation.sync(PATIENCE).await.unwrap();
        installation.sync(PATIENCE).await.unwrap();
        assert!(change_sets(&experience).is_empty());
    });
}

#[test]
fn a_member_denies_no_more_a_day_than_it_says() {
    block_on(async {
        let installation = install_with(53, 1, &[("MostDeniesPerDay", "2")]).await;
        let had = ids("h", 5);
        let (_, experience) = mirror_with(
            &installation,
            lists(&ids("w", 1), &BTreeSet::new()),
            lists(&had, &BTreeSet::new()),
            UNGUARDED,
        )
        .await;
        let request = installation
            .request(pmp_sync_domain::wire::Scope::default())
            .await
            .unwrap();
        // What is left waits for tomorrow: the lane is idle, and its next look is minutes away.
        let lane = lane(&installation, &experience);
        lane_until(&installation, &lane, "a lane that waits", |state| {
            let times = state.last_attempt.zip(state.tick_at);
            state.phase == Phase::Idle && times.is_some_and(|(then, due)| elapsed(then, due) > 60.0)
        })
        .await;
        let after = installation.lists(&experience);
        assert_eq!(after.deny.len(), 2);
        assert!(after.allow.is_superset(&ids("w", 1)));
        let run = installation
            .ledger
            .run_of_request(&request, 10)
            .await
            .unwrap();
        assert_eq!(run.unwrap().status, RunStatus::Applying);
    });
}

#[test]
fn a_frozen_link_changes_only_when_somebody_overrides_it() {
    block_on(async {
        let installation = install(54, 1, &[]).await;
        let wanted = ids("w", 3);
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &BTreeSet::new()));
        let experience = installation.add_experience(&installation.members[0], Lists::default());
        let config = installation.config() + &link(&source, "m1", &experience, "freeze = true");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.status, run.totals.messages), (RunStatus::Completed, 0));
        let left = left_alone(&installation, &run, &experience).await;
        assert_eq!(left.len(), 3);
        assert!(left.values().all(|reason| *reason == Reason::Frozen));
        let link_state = installation
            .ledger
            .link_state(&lane(&installation, &experience))
            .await;
        assert!(link_state.unwrap().frozen_since.is_some());

        let id = "override-1".to_owned();
        let request = SyncRequest {
            request_id: Some(id.clone()),
            requester: Some("somebody".to_owned()),
            override_reason: Some("a launch".to_owned()),
            ..SyncRequest::default()
        };
        bus(&installation)
            .put(sync_requested(request))
            .await
            .unwrap();
        let run = installation.wait(&id, PATIENCE).await.unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        assert_eq!(installation.lists(&experience).allow, wanted);
        let served = run
            .requests
            .iter()
            .find(|served| served.id.as_ref() == Some(&id));
        let served = served.unwrap();
        assert_eq!(served.override_reason.as_deref(), Some("a launch"));
        assert_eq!(
            served.account.as_ref(),
            Some(&installation.management.account),
            "the bus says whose credentials it was sent with"
        );
    });
}

#[test]
fn the_first_policy_of_a_live_experience_is_created_once_it_is_approved() {
    block_on(async {
        let installation = install(55, 1, &[]).await;
        let wanted = ids("w", 60);
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &ids("d", 2)));
        let experience = emulator().add_experience(NewExperience {
            owner: installation.members[0].owner.clone(),
            id: None,
            name: None,
            enabled: true,
            archived: false,
            lists: None,
        });
        let text = "live_check = \"off\"";
        let config = installation.config() + &link(&source, "m1", &experience, text);
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.status, run.totals.messages), (RunStatus::Held, 0));
        assert!(change_sets(&experience).is_empty());

        let lane = lane(&installation, &experience);
        let hold = installation
            .ledger
            .link_state(&lane)
            .await
            .unwrap()
            .hold
            .unwrap();
        let id = "approval-1".to_owned();
        let request = ApprovalRequest {
            action: ApprovalAction::Approve,
            lane: lane.clone(),
            run: hold.run,
            plan_hash: Some(hold.plan_hash),
            request_id: Some(id.clone()),
            requester: None,
            account: None,
            reason: None,
        };
        bus(&installation)
            .put(approval_requested(request))
            .await
            .unwrap();
        let run = installation.wait(&id, PATIENCE).await.unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        assert_eq!(
            installation.lists(&experience),
            lists(&wanted, &ids("d", 2))
        );
        // 60 allows take two change sets, of which the first creates the policy.
        let sets = installation.ledger.sets(&lane, None).await.unwrap().items;
        assert_eq!(sets.len(), 2);
        let link = installation
            .ledger
            .link(run.run, &lane)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(link.status, LinkStatus::Committed);
        assert!(link.approval.unwrap().refused.is_none());
    });
}
