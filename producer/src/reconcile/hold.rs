//! What is remembered of a link from run to run: the guards' memory, and holds.

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::error::{Kind, LinkError};
use pmp_sync_domain::guard::{GuardName, HoldReason};
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::LinkState;
use pmp_sync_domain::run::LinkStatus;

use crate::reconcile::edits::remember;
use crate::reconcile::observe::{Inspection, Source, View};
use crate::reconcile::send::Committed;
use crate::reconcile::{Connection, Errand, Outcome};
use crate::{Ports, Producer};

impl<P: Ports> Producer<P> {
    /// Writes a link state, if it says anything new, and announces what follows. False if somebody else wrote it
    /// meanwhile.
    pub(crate) async fn write_link_state(
        &self,
        lane: &LaneId,
        old: &LinkState,
        new: &LinkState,
    ) -> Result<bool, LinkError> {
        let is_news = !new.notices.pending.is_empty();
        if old == new {
            if is_news {
                self.announce(lane, new.clone()).await;
            }
            return Ok(true);
        }
        match self.ports.ledger().put_link_state(lane, new).await {
            Ok(()) => {
                if is_news {
                    let rev = new.rev + 1;
                    let written = LinkState { rev, ..new.clone() };
                    self.announce(lane, written).await;
                }
                Ok(true)
            }
            Err(error) if error.kind == Kind::Conflict => Ok(false),
            Err(error) => Err(LinkError::Ledger(error)),
        }
    }

    /// The link state after a look at which nothing was held.
    pub(crate) fn after_look(&self, view: View<'_>, seen: &Inspection) -> LinkState {
        let link_state = self.looked(view, seen);
        let notices = self.notices(view.link, seen, &link_state);
        LinkState {
            notices,
            ..link_state
        }
    }

    fn looked(&self, view: View<'_>, seen: &Inspection) -> LinkState {
        let now = self.now();
        let mut link_state = seen.link_state.clone();
        look(&mut link_state, seen, now);
        link_state.frozen_since = frozen_since(&link_state, view.link, now);
        if view.rollback {
            if seen.decision == Decision::InSync {
                link_state.grant = None;
            }
            return link_state;
        }
        remember(&mut link_state, &seen.edited);
        link_state.hold = None;
        let odd = |name: &GuardName| is_odd(&view.desired.oddities, *name);
        link_state.accepted.retain(odd);
        // A frozen link is in sync with anything: what was before it was frozen is what it goes by.
        let settled = seen.decision == Decision::InSync || !seen.plan.is_empty();
        if view.desired.oddities.is_empty() && !view.policy.frozen && settled {
            link_state.management_allowed = Some(view.desired.policy.allowed().len());
        }
        let wanted = |restored: &Plan| {
            let mut changes = restored.changes();
            changes.all(|change| view.policy.agrees(&view.desired.policy, &change))
        };
        if seen.decision == Decision::InSync && seen.restored.as_ref().is_none_or(wanted) {
            // What was restored is what is wanted now.
            link_state.restored = None;
        }
        if !seen.approved {
            // It is done with, or something else is wanted by now: it was approved once.
            link_state.grant = None;
        }
        link_state
    }

    /// Before a plan is committed: what it takes away counts from now on, and the lists are kept for the
    /// rollback. False if the lane is to be looked at again.
    pub(crate) async fn before_commit(
        &self,
        errand: &Errand<'_>,
        seen: &Inspection,
    ) -> Result<bool, LinkError> {
        let mut link_state = self.after_look(errand.view(), seen);
        if !seen.approved {
            // Under their limits, so that they are few.
            link_state.taking_away(seen.removals.clone(), self.now());
        }
        // Of an experience that had no policy there are no lists to go back to: it allowed everything.
        if !seen.plan.deny().is_empty() && seen.first_policy.is_none() {
            let ledger = self.ports.ledger();
            ledger
                .put_lists(errand.run, &seen.lane, &seen.actual, self.now())
                .await
                .map_err(LinkError::Ledger)?;
        }
        self.write_link_state(&seen.lane, &seen.link_state, &link_state)
            .await
    }

    /// Holds a plan: records it, which announces it once, and lets nothing of the lane's go on that the plan
    /// does not agree with. Nothing if the lane is to be looked at again.
    pub(crate) async fn hold(
        &self,
        errand: &Errand<'_>,
        seen: &Inspection,
        mut outcome: Outcome,
        connection: &Connection<P>,
    ) -> Result<Option<Outcome>, LinkError> {
        let planned = seen.before.state.planned.as_ref();
        if planned.is_some_and(|plan| plan.run == errand.run && plan.totals.total() > 0) {
            // The run has committed a plan here already, in an invocation that was cut off: that one is
            // on record, and only a newer run can take its place.
            return Err(LinkError::Contended(seen.lane.to_string()));
        }
        // What was to be tried again waits with the rest of the plan: were it left in quarantine, the next run
        // would not plan it, and nobody could approve it. Its letter stays.
        self.release(&seen.lane, &seen.lifted).await?;
        let hold = self.present_hold(errand, seen).await?;
        outcome.record.status = LinkStatus::Held;
        outcome.record.hold = Some(hold.clone());
        outcome.messages = 0;
        self.keep(&seen.lane, &outcome.record).await?;
        let mut link_state = seen.link_state.clone();
        look(&mut link_state, seen, self.now());
        link_state.frozen_since = frozen_since(&link_state, errand.link, self.now());
        remember(&mut link_state, &seen.edited);
        if !seen.approved {
            link_state.grant = None;
        }
        let is_new = link_state
            .hold
            .as_ref()
            .is_none_or(|old| !old.is_same(&hold));
        link_state.hold = Some(hold);
        link_state.notices = self.notices(errand.link, seen, &link_state);
        if !self
            .write_link_state(&seen.lane, &seen.link_state, &link_state)
            .await?
        {
            return Ok(None);
        }
        if is_new {
            let words: Vec<_> = seen.reasons.iter().map(ToString::to_string).collect();
            tracing::warn!(run = %errand.run, lane = %seen.lane, code = seen.reasons.first().map(HoldReason::code), reasons = ?words, "the plan is held");
        }
        self.meanwhile(errand, seen, outcome, connection).await
    }

    /// The hold that stands, if it says the same and can still be approved; a new one otherwise.
    async fn present_hold(
        &self,
        errand: &Errand<'_>,
        seen: &Inspection,
    ) -> Result<Hold, LinkError> {
        let new = self.new_hold(errand.run, seen, seen.reasons.clone());
        let Some(old) = seen
            .link_state
            .hold
            .as_ref()
            .filter(|old| old.is_same(&new))
        else {
            return Ok(new);
        };
        if old.run == errand.run {
            return Ok(old.clone());
        }
        // Runs expire, and what is approved is what the run's record shows.
        let record = self.ports.ledger().link(old.run, &seen.lane).await;
        let record = record.map_err(LinkError::Ledger)?;
        let is_shown = record.is_some_and(|record| record.shown().hash() == old.plan_hash);
        Ok(if is_shown { old.clone() } else { new })
    }

    pub(crate) fn new_hold(&self, run: RunId, seen: &Inspection, reasons: Vec<HoldReason>) -> Hold {
        Hold {
            run,
            plan_hash: seen.plan.hash(),
            reasons,
            allow: seen.plan.allow().len(),
            deny: seen.plan.deny().len(),
            removals: seen.report.removals,
            since: self.now(),
            announced: false,
            rejected: None,
        }
    }

    /// Goes on with a rollback that somebody has approved and that is not done: whoever was to send it may
    /// have been cut off, and nothing else is planned for the lane before it is. Nothing if there is
    /// nothing to go on with, and the lane is to be looked at again.
    pub(crate) async fn resume_rollback(
        &self,
        errand: &Errand<'_>,
        before: RunId,
        seen: &Inspection,
        connection: &Connection<P>,
    ) -> Result<Option<Outcome>, LinkError> {
        let lists = self.ports.ledger().lists(before, &seen.lane).await;
        let Some(policy) = lists.map_err(LinkError::Ledger)? else {
            let mut link_state = seen.link_state.clone();
            link_state.grant = None;
            self.write_link_state(&seen.lane, &seen.link_state, &link_state)
                .await?;
            return Ok(None);
        };
        let desired = Source {
            policy,
            oddities: Vec::new(),
        };
        let back = Errand {
            desired: &desired,
            rollback: true,
            policy: errand.policy.clone(),
            ..*errand
        };
        let outcome = Box::pin(self.serve_lane(&back, connection)).await?;
        let over = matches!(
            outcome.record.status,
            LinkStatus::InSync | LinkStatus::Refused
        );
        Ok((!over).then_some(outcome))
    }

    /// While a plan is held, the lane is served as if nothing were to be changed: what is open goes on
    /// only as far as it agrees with the lists as they are now.
    async fn meanwhile(
        &self,
        errand: &Errand<'_>,
        seen: &Inspection,
        mut outcome: Outcome,
        connection: &Connection<P>,
    ) -> Result<Option<Outcome>, LinkError> {
        match seen.halted {
            Decision::InSync => {
                // What the member keeps back would be in what is held.
                self.ask_for_rules(seen, connection).await;
                outcome.done = self.mark_rest(seen, false).await?;
            }
            Decision::Underway(_) => {}
            Decision::Commit => {
                let nothing = Plan::default();
                match self.commit(errand.run, seen, &nothing).await? {
                    Committed::Stale => return Ok(None),
                    Committed::Yes(older) => {
                        outcome.done = older;
                        outcome.superseded = true;
                        let state = &seen.before.state;
                        self.send(errand.run, &seen.lane, &nothing, state, connection)
                            .await?;
                    }
                }
            }
        }
        Ok(Some(outcome))
    }
}

/// What every look writes down: how long the list is, and what is still being taken away from it.
fn look(link_state: &mut LinkState, seen: &Inspection, now: pmp_sync_domain::Timestamp) {
    let denies = |product: &ProductId| {
        let mut open = seen.before.open.iter();
        seen.plan.deny().contains(product)
            || open.any(|open| open.product == *product && open.action == Action::Deny)
    };
    let still_taken =
        |product: &ProductId| seen.actual.allowed().contains(product) && denies(product);
    link_state.looked(still_taken, now);
    link_state.sized(seen.actual.allowed().len(), now);
}

fn frozen_since(
    link_state: &LinkState,
    link: &Link,
    now: pmp_sync_domain::Timestamp,
) -> Option<pmp_sync_domain::Timestamp> {
    let frozen = link.policy.frozen;
    frozen.then(|| link_state.frozen_since.unwrap_or(now))
}

fn is_odd(oddities: &[HoldReason], name: GuardName) -> bool {
    oddities.iter().any(|odd| odd.guard() == Some(name))
}
