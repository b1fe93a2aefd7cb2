//! Syncs that go well.

use std::collections::BTreeSet;

use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::wire::Scope;
use pmp_sync_local::marketplace::{Lists, NewExperience};
use pmp_sync_local::scenario::link;

use crate::setup::{
    PATIENCE, UNGUARDED, block_on, change_sets, emulator, ids, install, lists, mirror, mirror_with,
    refusals,
};

#[test]
fn a_first_sync_brings_the_member_in_sync_and_a_second_one_does_nothing() {
    block_on(async {
        let installation = install(1, 1, &[]).await;
        let (allow, deny, old) = (ids("a", 20), ids("d", 5), ids("o", 7));
        let (_, experience) = mirror_with(
            &installation,
            lists(&allow, &deny),
            lists(&old, &BTreeSet::new()),
            UNGUARDED,
        )
        .await;
        let first = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(first.status, RunStatus::Completed);
        assert_eq!(
            (first.totals.allow, first.totals.deny, first.totals.messages),
            (20, 12, 32)
        );
        let expected_deny: BTreeSet<_> = deny.union(&old).cloned().collect();
        assert_eq!(
            installation.lists(&experience),
            lists(&allow, &expected_deny)
        );
        assert_eq!(change_sets(&experience).len(), 1);
        let lane = LaneId {
            account: installation.members[0].account.parse().unwrap(),
            experience: experience.parse().unwrap(),
        };
        let state = installation.lane(&lane).await.unwrap();
        assert!(
            state.last_in_sync.is_some()
                && state.last_success.is_some()
                && state.last_attempt.is_some()
        );

        let second = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(second.status, RunStatus::Completed);
        assert_eq!((second.totals.in_sync, second.totals.messages), (1, 0));
        assert_eq!(
            change_sets(&experience).len(),
            1,
            "a second sync starts nothing"
        );
    });
}

#[test]
fn allow_alone_deny_alone_and_both_together_each_take_one_change_set() {
    block_on(async {
        let installation = install(2, 1, &[]).await;
        let (one, two, three) = (ids("x", 3), ids("y", 3), ids("z", 3));
        let both: BTreeSet<_> = one.union(&two).cloned().collect();
        let (source, experience) = mirror_with(
            &installation,
            lists(&both, &BTreeSet::new()),
            lists(&one, &BTreeSet::new()),
            UNGUARDED,
        )
        .await;
        installation.sync(PATIENCE).await.unwrap();
        assert_eq!(installation.lists(&experience).allow, both);
        // Deny alone: one is taken away.
        emulator().set_lists(&source, lists(&one, &BTreeSet::new()));
        installation.sync(PATIENCE).await.unwrap();
        assert_eq!(installation.lists(&experience), lists(&one, &two));
        // Both: the denied ones come back, the others go.
        emulator().set_lists(&source, lists(&two, &three));
        installation.sync(PATIENCE).await.unwrap();
        let gone: BTreeSet<_> = one.union(&three).cloned().collect();
        assert_eq!(installation.lists(&experience), lists(&two, &gone));
        let sets: Vec<_> = change_sets(&experience)
            .iter()
            .map(|set| (set.allow, set.deny))
            .collect();
        assert_eq!(sets, [(3, 0), (0, 3), (3, 6)]);
    });
}

#[test]
fn many_changes_take_the_fewest_change_sets_one_after_the_other() {
    block_on(async {
        let installation = install(3, 1, &[]).await;
        let (allow, deny) = (ids("a", 230), ids("d", 60));
        let (_, experience) = mirror(&installation, lists(&allow, &deny), Lists::default()).await;
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(run.totals.messages, 290);
        assert_eq!(installation.lists(&experience), lists(&allow, &deny));
        let sets = change_sets(&experience);
        assert_eq!(sets.len(), 5, "{sets:?}");
        for pair in sets.windows(2) {
            assert!(
                pair[0].ended.is_some_and(|ended| ended <= pair[1].started),
                "{pair:?}"
            );
        }
        assert_eq!(
            refusals(&experience),
            [] as [u16; 0],
            "no 422 and no start while locked"
        );
    });
}

#[test]
fn two_links_of_one_member_are_kept_apart() {
    block_on(async {
        let installation = install(4, 1, &[]).await;
        let (one, two) = (ids("one", 60), ids("two", 60));
        let sources = [&one, &two].map(|ids| {
            installation.add_experience(&installation.management, lists(ids, &BTreeSet::new()))
        });
        let experiences =
            [0, 1].map(|_| installation.add_experience(&installation.members[0], Lists::default()));
        let config = installation.config()
            + &link(&sources[0], "m1", &experiences[0], "")
            + &link(&sources[1], "m1", &experiences[1], "");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(
            (run.status, run.totals.committed),
            (RunStatus::Completed, 2)
        );
        assert_eq!(installation.lists(&experiences[0]).allow, one);
        assert_eq!(installation.lists(&experiences[1]).allow, two);
        assert_eq!(change_sets(&experiences[0]).len(), 2);
        assert_eq!(change_sets(&experiences[1]).len(), 2);
    });
}

#[test]
fn a_star_takes_every_live_experience_that_no_link_names() {
    block_on(async {
        let installation = install(5, 1, &[]).await;
        let wanted = ids("w", 4);
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &BTreeSet::new()));
        let other = installation.add_experience(
            &installation.management,
            lists(&ids("other", 2), &BTreeSet::new()),
        );
        let member = &installation.members[0];
        let live = [0, 1].map(|_| installation.add_experience(member, Lists::default()));
        let named = installation.add_experience(member, Lists::default());
        let not_live = |enabled, archived, lists| {
            let new = NewExperience {
                owner: member.owner.clone(),
                id: None,
                name: None,
                enabled,
                archived,
                lists,
            };
            emulator().add_experience(new)
        };
        let disabled = not_live(false, false, Some(Lists::default()));
        let archived = not_live(true, true, Some(Lists::default()));
        let without_policy = not_live(true, false, None);
        let config =
            installation.config() + &link(&source, "m1", "*", "") + &link(&other, "m1", &named, "");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!((run.status, run.totals.links), (RunStatus::Completed, 3));
        for experience in &live {
            assert_eq!(installation.lists(experience).allow, wanted);
        }
        assert_eq!(installation.lists(&named).allow, ids("other", 2));
        for untouched in [&disabled, &archived, &without_policy] {
            assert!(change_sets(untouched).is_empty());
        }
    });
}

#[test]
fn a_request_may_be_about_one_member_only() {
    block_on(async {
        let installation = install(6, 2, &[]).await;
        let wanted = ids("w", 3);
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &BTreeSet::new()));
        let experiences: Vec<_> = installation
            .members
            .iter()
            .map(|member| installation.add_experience(member, Lists::default()))
            .collect();
        let config = installation.config()
            + &link(&source, "m1", &experiences[0], "")
            + &link(&source, "m2", &experiences[1], "");
        installation.apply(&config).await.unwrap();
        let scope = Scope {
            members: vec!["m2".parse().unwrap()],
            ..Scope::default()
        };
        let request = installation.request(scope).await.unwrap();
        let run = installation.wait(&request, PATIENCE).await.unwrap();
        assert_eq!(run.totals.links, 1);
        assert!(
            run.requests
                .iter()
                .any(|served| served.id.as_deref() == Some(request.as_str()))
        );
        assert!(installation.lists(&experiences[0]).allow.is_empty());
        assert_eq!(installation.lists(&experiences[1]).allow, wanted);
    });
}

#[test]
fn modes_protect_and_exclude_hold_products_back() {
    block_on(async {
        let installation = install(7, 1, &[]).await;
        let (wanted, had) = (ids("w", 3), ids("h", 4));
        let source =
            installation.add_experience(&installation.management, lists(&wanted, &BTreeSet::new()));
        let member = &installation.members[0];
        let [mirror, additive, observe] =
            [0, 1, 2].map(|_| installation.add_experience(member, lists(&had, &BTreeSet::new())));
        let held = format!(
            "protect = [\"prod-h00000\"]\nexclude = [\"prod-h00001\", \"prod-w00000\"]\n{UNGUARDED}"
        );
        let config = installation.config()
            + &link(&source, "m1", &mirror, &held)
            + &link(&source, "m1", &additive, "mode = \"additive\"")
            + &link(&source, "m1", &observe, "mode = \"observe\"");
        installation.apply(&config).await.unwrap();
        let run = installation.sync(PATIENCE).await.unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        let expected =
            ["prod-w00001", "prod-w00002", "prod-h00000", "prod-h00001"].map(str::to_owned);
        let denied = ["prod-h00002", "prod-h00003"].map(str::to_owned);
        assert_eq!(
            installation.lists(&mirror),
            lists(&expected.into(), &denied.into())
        );
        assert_eq!(
            installation.lists(&additive),
            lists(&had.union(&wanted).cloned().collect(), &BTreeSet::new())
        );
        assert_eq!(installation.lists(&observe), lists(&had, &BTreeSet::new()));
    });
}
