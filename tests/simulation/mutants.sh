#!/bin/sh
# For each invariant of the simulator, one mutation of the source that breaks it: applied in a copy of the tree,
# simulated until the invariant is violated. `worlds` is how many that took. Not part of CI: each mutation is a build (docs/simulator.md).
#
# usage: tests/simulation/mutants.sh [SEEDS] [NAME]      SEEDS worlds for each (3000); only the mutation NAME
#        tests/simulation/mutants.sh --check             only that each mutation finds its text
set -eu

seeds=${1:-3000}
only=${2:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$root
missed=0

# found NAME INVARIANT FILE PERL: that the substitution of a mutation finds its text.
found() {
    if perl -0pe "$4" "$copy/$3" | cmp -s - "$copy/$3"; then
        printf '%-34s %-16s %8s\n' "$1" "$2" 'NO SUCH TEXT'
        missed=$((missed + 1))
        return 1
    fi
}

# caught NAME INVARIANT FILE PERL: one mutation, by a substitution over the whole file.
caught() {
    cp "$copy/$3" "$copy/before"
    perl -0pi -e "$4" "$copy/$3"
    verdict='NO BUILD' seed=
    if (cd "$copy" && cargo build -q --release -p pmp-sync-simulation 2>"$copy/errors"); then
        "$CARGO_TARGET_DIR/release/pmp-sync-simulation" simulate --seeds "$seeds" --until "$2" 2>/dev/null >"$copy/found" || true
        line=$(grep "^VIOLATED $2:" "$copy/found" || true)
        if [ -n "$line" ]; then
            verdict=$(sed -n 's/^ *\([0-9]*\)  worlds in .*/\1/p' "$copy/found") seed=${line##* }
        else
            verdict=MISSED seed=$(grep ^VIOLATED "$copy/found" | tr '\n' ';')
            missed=$((missed + 1))
        fi
    else
        missed=$((missed + 1))
        head -n 5 "$copy/errors"
    fi
    printf '%-34s %-16s %8s  %s\n' "$1" "$2" "$verdict" "$seed"
    mv "$copy/before" "$copy/$3"
    touch "$copy/$3"
}

if [ "$seeds" != --check ]; then
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    # Built often and run briefly.
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
    export CARGO_TARGET_DIR=${MUTANTS_TARGET_DIR:-$copy/target} CARGO_INCREMENTAL=1
    (cd "$root" && tar cf - --exclude=./target --exclude=./.git .) | (cd "$copy" && tar xf -)
    # A target directory that is used again knows files by their times.
    find "$copy" -name '*.rs' -exec touch {} +
    printf '%-34s %-16s %8s  %s\n' mutation invariant worlds 'caught by seed'
fi

mutate() {
    [ -z "$only" ] || [ "$only" = "$1" ] || return 0
    found "$@" || return 0
    [ "$seeds" = --check ] || caught "$@"
}

mutate trusts-what-was-not-sent converged shared/domain/src/reconcile/course.rs \
    's/planned\.sent && elapsed\(planned\.at, now\) < TRUST/true/'
mutate commits-without-a-record no-unasked-deny producer/src/reconcile/apply.rs \
    's/let kept = keep\(ledger, &seen\.lane, &outcome\.record\)\.await;\s*kept\.map_err\(LinkError::Ledger\)\?;(\s*let sent = match commit)/$1/'
mutate takes-changes-of-older-runs newest-wins shared/domain/src/lane/next.rs \
    's/\.partition\(\|change\| change\.run >= planned\.run\)/.partition(|_| true)/'
mutate leaves-a-set-under-way one-at-a-time worker/src/settle.rs \
    's/Ok\(ChangeSetStatus::Underway\) => return Ok\(None\),/Ok(ChangeSetStatus::Underway) => (Ending::BackOff(back_off_until(context, state)), SetOutcome::ServerFault, None),/'
mutate sets-aside-without-a-letter nothing-lost worker/src/settle.rs \
    's/context\.outbox\.dead_letter\(&body, &attributes\)\.await\n/let _ = (context, &body, &attributes);\n    Ok(())\n/'
mutate wakes-lanes-in-sync idempotent producer/src/reconcile/apply.rs \
    's/outcome\.done = mark_rest\(ledger/wake(connection, &seen.lane, seen.state()).await?;\n outcome.done = mark_rest(ledger/'
mutate waits-for-nothing frugal shared/domain/src/lane/next.rs \
    's/elapsed\(change\.claimed_at, now\) >= patient\)/elapsed(change.claimed_at, now) >= patient * 0.0)/'
mutate starts-although-suspended suspended shared/domain/src/lane/transitions.rs \
    's/if matches!\(self\.phase, Phase::Idle \| Phase::Blocked\) \{\n(\s*)next\.phase = Phase::Suspended;/if matches!(self.phase, Phase::Blocked) {\n$1next.phase = Phase::Suspended;/'
mutate applies-no-member-rules member-rules worker/src/member_rules.rs \
    's/state\.planned\.is_none\(\) \|\| state\.member == mark/true/'
mutate forgets-the-limit member-rules shared/domain/src/lane/transitions.rs \
    's/next\.denied\.add\(intent\.counts\(\)\.deny, now\);//'
mutate never-asks-for-rules member-rules producer/src/reconcile/send.rs \
    's/if !seen\.is_kept_back\(\) \{/if true {/'
mutate keeps-no-record audited worker/src/settle.rs \
    's/context\.ledger\.keep_set\(lane, &record\)\.await\?;/let _ = record;/'
mutate takes-a-tick-back one-live-chain worker/src/inbox.rs \
    's/!\(succeeded && mail\.ticks\.contains\(place\)\)/*place < usize::MAX/'
mutate forgets-ends-of-runs runs-end producer/src/run/begin.rs \
    's/end_forgotten\(context, run, &older\.items, &setup\)\.await\?;/let _ = (\&older, end_forgotten(context, run, \&[], \&setup));/'
mutate counts-the-links-left runs-end shared/domain/src/wire/request.rs \
    's/format!\("\{\}-\{\}", self\.run, self\.number\)/format!("{}-{}", self.run, self.links.len())/'
mutate serves-what-is-served served-once producer/src/dispatch.rs \
    's/Some\(Progress::Served\) => \{/Some(Progress::Served) if place > 99 => {/; s/Some\(Progress::Interrupted\) \| None => \{\}/_ => {}/'
mutate leaves-out-an-unreadable-source every-source producer/src/reach.rs \
    's/of\.iter\(\)\.map\(source\)\.collect::<Option<Vec<_>>>\(\)\?/of.iter().filter_map(source).collect::<Vec<_>>()/'
mutate follows-the-first-source every-source producer/src/reach.rs \
    's/of\.iter\(\)\.map\(source\)/of.iter().take(1).map(source)/'
mutate lets-an-allow-win every-source shared/domain/src/policy.rs \
    's/Conflict::Deny => allowed\.retain\(\|product\| !denied\.contains\(product\)\)/Conflict::Deny => denied.retain(|product| !allowed.contains(product))/'
mutate lets-a-deny-win-always every-source shared/domain/src/policy.rs \
    's/Conflict::Allow => denied\.retain\(\|product\| !allowed\.contains\(product\)\)/Conflict::Allow => allowed.retain(|product| !denied.contains(product))/'
mutate overlooks-an-empty-source held-is-not-sent shared/domain/src/reconcile/goal.rs \
    's/if self\.policy\.is_empty\(\) && !conditions\.iter\(\)\.any\(is_no_policy\)/if false/'
mutate names-no-source converged shared/domain/src/reconcile/goal.rs \
    's/own\.map\(\|of\| of\.about\(experience\)\)/own.map(|of| (of, experience).0)/'
mutate commits-what-is-held held-is-not-sent shared/domain/src/guard/parting.rs \
    's/passing: self\.plan\.minus\(&held\)/passing: self.plan.clone()/'
mutate lets-a-doubted-list-through held-is-not-sent shared/domain/src/guard/parting.rs \
    's/Keeps::Everything => self\.plan\.clone\(\)/Keeps::Everything => Plan::new(Default::default(), self.removals())/'
mutate lets-nothing-through parted shared/domain/src/guard/parting.rs \
    's/Keeps::Removals => Plan::new\(BTreeSet::default\(\), self\.removals\(\)\)/Keeps::Removals => self.plan.clone()/'
mutate lets-removals-through guarded shared/domain/src/guard/parting.rs \
    's/Keeps::Removals => Plan::new\(BTreeSet::default\(\), self\.removals\(\)\)/Keeps::Removals => Plan::default()/'
mutate approves-for-ever approved-once shared/domain/src/reconcile/draft.rs \
    's/grant\.filter\(\|grant\| !is_spent\(grant\)\)/grant.filter(|grant| !is_spent(grant) || true)/'
mutate voids-what-was-approved approved-goes-on shared/domain/src/guard/parting.rs \
    's/let approved = approved\.unwrap_or_default\(\);/let approved = approved.filter(|part| *part == *self.plan).unwrap_or_default();/'
mutate keeps-no-rejection rejected producer/src/handlers/approval/reject.rs \
    's/next\.rejected = shown\.map\(/next.rejected = shown.filter(|_| false).map(/'
mutate asks-again rejected shared/domain/src/notify.rs \
    's/seen\.hold\.filter\(\|hold\| !hold\.is_rejected\(\)\)/seen.hold/'
mutate makes-rejected-removals rejected shared/domain/src/guard/parting.rs \
    's/if !rejected\.is_empty\(\) \{/if false {/'
mutate keeps-a-rejection-for-ever rejected shared/domain/src/reconcile/memory.rs \
    's/rejected\.and_then\(\|rejected\| rejected\.while_wanted\(is_wanted, &seen\.held\)\)/rejected.inspect(|_| drop(&is_wanted))/'
mutate counts-a-session two-people shared/domain/src/approval/people.rs \
    's/if !role\.starts_with\(IDENTITY_CENTER\)/if role.is_empty()/'
mutate counts-one-twice two-people producer/src/handlers/approval/approve.rs \
    's/if !has_approved\(&approvals, &principal\)/if !has_approved(\&[], \&principal)/'
mutate keeps-a-hold-of-an-override overridden shared/domain/src/reconcile/draft.rs \
    's/made\.plan\.minus\(&approved\)\.common\(&record\.shown\(\)\)/record.shown().minus(\&approved)/'
mutate drops-a-hold-of-an-override overridden shared/domain/src/reconcile/draft.rs \
    's/if hold\.is_none\(\) && granted\.is_none\(\)/if granted.is_none()/'
mutate lets-more-through-than-shown overridden shared/domain/src/reconcile/draft.rs \
    's/granted\.as_ref\(\)\.map\(\|shown\| made\.plan\.common\(shown\)\)/granted.as_ref().map(|_| made.plan.clone())/'
mutate counts-no-slices guarded shared/domain/src/guard/memory.rs \
    's/recent\.chain\(&self\.taking\)\.collect\(\)/recent.chain(&self.taking).take(0).collect()/'
mutate counts-from-the-commit guarded shared/domain/src/guard/memory.rs \
    's/let taken = std::mem::take\(&mut self\.taking\);/self.taking.clear();\n        let taken = BTreeSet::new();/'
mutate knows-no-short-lists guarded shared/domain/src/guard.rs \
    's/\(limits\.short_list_removals, limits\.short_list_percent\),//'
mutate removes-from-the-unseen guarded shared/domain/src/guard.rs \
    's/reasons\.extend\(self\.first_mirror\(\)\);//'
mutate knows-what-is-held guarded shared/domain/src/reconcile/memory.rs \
    's/let mut next = seen\.link_state\.clone\(\);\n    let allowed/let mut next = seen.link_state.clone();\n    next.observed_since.get_or_insert(now);\n    let allowed/'
mutate aligns-each-time guarded shared/domain/src/guard/memory.rs \
    's/if self\.aligned_since\.is_some\(\) \{\s*return;\s*\}\s*self\.aligned_since = Some\(now\);/self.aligned_since.get_or_insert(now);/'
mutate takes-all-for-edits guarded shared/domain/src/reconcile/memory.rs \
    's/removals\.retain\(\|product\| !edited\.undone\.contains\(product\)\);/removals.clear();/'
mutate takes-back-what-was-restored restored shared/domain/src/guard.rs \
    's/reasons\.extend\(self\.against_restored\(\)\);//'
mutate voids-a-rollback restored shared/domain/src/reconcile/draft.rs \
    's/rollback\.and_then\(undo_of\)/rollback.and_then(undo_of).filter(|_| false)/'
mutate reverts-what-came-later reverted shared/domain/src/revert.rs \
    's/(let mut found = Self::default.*?)last\.run == Some\(run\)\)/$1last.run.is_some())/s'
mutate forgets-the-rollback-before restored shared/domain/src/records/link_state.rs \
    's/self\.restored_before\.extend\(before\);/drop(before);/'
mutate thaws-frozen-links frozen producer/src/setup.rs \
    's/frozen: link\.policy\.frozen && !overridden,/frozen: link.policy.frozen \&\& !overridden \&\& link.policy.exclude.is_empty(),/'
mutate denies-on-additive-links link-rules shared/domain/src/plan.rs \
    's/\(Mode::Additive, Action::Deny\) => Some\(Reason::Additive\)/(Mode::Additive, Action::Deny) => None/'
mutate denies-protected-products link-rules shared/domain/src/plan.rs \
    's/action == Action::Deny && self\.protect\.contains\(product\)/false/'
mutate keeps-an-old-hold converged producer/src/reconcile/hold.rs \
    's/\.filter\(\|old\| old\.is_same\(&new\)\)//'
mutate announces-every-hour idempotent producer/src/announce.rs \
    's/context\.ledger\.put_link_state\(lane, &written\)\.await/Ok::<(), pmp_sync_domain::error::ServiceError>(())/'
mutate reports-a-block-every-hour reported-once shared/domain/src/notify.rs \
    's/blocked\.is_some_and\(\|mark\| mark\.reason == block\.reason\)/blocked.is_some_and(|_| false)/'
mutate reports-another-every-hour reported-once shared/domain/src/notify.rs \
    's/contested\.is_some_and\(\|mark\| mark\.reason == other\.installation\)/contested.is_some_and(|_| false)/'
mutate reports-no-other reported shared/domain/src/notify.rs \
    's/seen\.state\.contested_by\(self\.now\)/seen.state.other.as_ref().filter(|_| false)/'
mutate remembers-others-for-ever reported shared/domain/src/notify.rs \
    's/seen\.state\.contested_by\(self\.now\)/seen.state.other.as_ref()/'
mutate leaves-notices-to-no-digest told producer/src/announce.rs \
    's/bus\.put\(digest\.event\(\)\)\.await/Ok::<(), pmp_sync_domain::error::ServiceError>(drop(bus))/'
mutate forgets-what-the-lanes-tell reported producer/src/context.rs \
    's/lanes\.insert\(lane\.clone\(\)\);/drop(lanes);/'
mutate leaves-what-was-recorded reported producer/src/reconcile/remember.rs \
    's/if old == new \{\n(\s*)if is_news \{/if old == new {\n$1if false {/'
mutate forgets-ends-to-report reported producer/src/run/begin.rs \
    's/announce_end\(&context\.ledger, &context\.outbox, record\)\.await;/let _ = record;/'
mutate names-change-sets-alike one-at-a-time worker/src/start.rs \
    's/context\.member\.installation\.clone\(\),\s*random,/context.member.installation.clone(),\n        0,/'
mutate adopts-by-the-name own-sets shared/domain/src/lane/change.rs \
    's/&& set\.content\.as_ref\(\)\.is_none_or\(\|content\| \*content == mine\)/\&\& (true || set.content.as_ref() == Some(\&mine))/'
mutate hears-of-no-other own-sets worker/src/advance.rs \
    's/notice_others\(context, lane, state, ended\)/notice_others(context, lane, state, \&[])/'
mutate counts-what-holds-twice counted-once shared/domain/src/lane/state.rs \
    's/by != run \|\| !counted\.contains\(&ordinal\)/by != run || !counted.contains(\&ordinal) || ordinal == ordinal/'
mutate knows-only-its-own-products edits-told shared/domain/src/drift.rs \
    's/list\.allows\(product\) != self\.actual\.allowed\(\)\.contains\(product\)/list.allows(product) != list.allows(product)/'
mutate waives-what-others-added guarded producer/src/reconcile/observe.rs \
    's/undone: look\.undone\(&edits\),/undone: edits.clone(),/'
mutate replays-letters-alone converged producer/src/handlers/dead_letters.rs \
    's/let quarantined = quarantined_of\(&context\.ledger, case\.member\)\.await\?;/quarantined_of(\&context.ledger, case.member).await?;\n        let quarantined = Vec::new();/'
mutate waits-for-the-next-hour retried producer/src/run/finish.rs \
    's/retry_failed\(context, record, &outcomes\)\.await;/let _ = retry_failed::<L, A, M, O, S>;/'
mutate retries-for-ever retried shared/domain/src/retry.rs \
    's/let number = before\.saturating_add\(1\);/let number = 1;/'
mutate hands-nothing-over retried producer/src/run/retry.rs \
    's/Ok\(context\.outbox\.retry\(retry\)\.await\?\)/let _ = (context, retry);\n    Ok(())/'
mutate drops-what-older-runs-tried retried shared/domain/src/retry.rs \
    's/run\.has_observed\(\) && run\.started_at > retry\.since/run.has_observed()/'
mutate fails-for-an-unreadable-entry contained producer/src/reconcile/marks.rs \
    's/Err\(error\) if error\.is_unreadable\(\) => \{/Err(error) if error.is_unreadable() \&\& error.message.is_empty() => {/'
mutate tells-of-no-unreadable-item contained producer/src/run/finish.rs \
    's/\.filter\(is_told\)\.cloned\(\)\.chain\(of_items\)/.filter(is_told).cloned().chain(of_items).take(0)/'
mutate drops-unreadable-lanes contained worker/src/inbox.rs \
    's/(let code = error\.is_unreadable\(\)\.then_some\(UNREADABLE_ITEM\);)/if error.is_unreadable() {\n return Vec::new();\n }\n $1/'
mutate holds-back-what-has-settled announced-apart worker/src/advance.rs \
    's/(let Err\(error\) = announce_settled\(context, lane, Some\(run\)\)\.await else \{.*?\n    \};)/$1\n    if true {\n        return Err(error);\n    }/s'
mutate holds-back-new-rules announced-apart worker/src/member_rules.rs \
    's/let _put = (announce_settled\(context, lane, state\.planned_run\(\)\)\.await);/$1?;/'
mutate reopens-ended-requests requests shared/domain/src/records/product_request.rs \
    's/if event\.state == RequestState::Open \{\n/if event.state == RequestState::Open {\n            next.state = RequestState::Open;\n/'
mutate takes-the-last-end-that-arrives requests shared/domain/src/records/product_request.rs \
    's/\(at, event\.state\) > \(ended, next\.state\)/(at, event.state) != (ended, next.state)/'
mutate has-room-for-every-request requests shared/domain/src/records/product_request.rs \
    's/self\.kept < most\.kept && \(!is_open \|\| self\.open < most\.open\)/self.kept < usize::MAX || is_open || most.open > self.open/'
mutate drops-requests-uncounted requests worker/src/requests.rs \
    's/ledger\.drop_product_request\(account, now\)\.await\?;//'
mutate loses-what-others-wrote requests worker/src/requests.rs \
    's/Err\(error\) => return Err\(error\),/Err(_) => return Ok(false),/'
mutate announces-no-request requests producer/src/requests.rs \
    's/context\.outbox\.put\(event\)\.await/Ok::<(), pmp_sync_domain::error::ServiceError>(drop(event))/'
mutate looks-up-no-names named producer/src/names.rs \
    's/if listed\.is_empty\(\) \{/if !listed.is_empty() {/'
mutate forgets-names named shared/domain/src/records/listing.rs \
    's/self\.details = details\.or_else\(kept\);/let _ = kept;\n        self.details = details;/'
mutate outages-make-unknown named shared/domain/src/records/listing.rs \
    's/\.\.before\.cloned\(\)\.unwrap_or_else\(unknown\)/..{ let _ = before; unknown() }/'
mutate looks-up-while-busy names-give-way producer/src/names.rs \
    's/Ok\(true\) => Err\(End::Busy\),/Ok(true) => Ok(()),/'

[ "$missed" -eq 0 ] || { echo "$missed mutations were not found"; exit 1; }
