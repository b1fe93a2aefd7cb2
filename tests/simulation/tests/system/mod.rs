//! One management and two member accounts, the producer and both workers, driven until they rest.

#![allow(dead_code, reason = "each test file uses its part of it")]

use futures::executor::block_on;
use futures::task::noop_waker;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::dead_letters::DeadLetterList;
use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, PlanHash, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, MemberRules};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::{Closing, ReadSets as _};
use pmp_sync_domain::records::{
    DeadLetterOutcome, LinkRecord, LinkState, RunRecord, SetRecord, Suspensions,
};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{DeadLetterFilter, HELD};
use pmp_sync_fakes::World;
use pmp_sync_producer::{dispatch, queries};
use pmp_sync_simulation::{Producer, Worker, producer, worker};
use pmp_sync_worker::{Membership, handle};

pub(crate) const CONFIG: &str = r#"schema = 1

[[member]]
name = "one"
account = "222222222222"
external_id = "external-1"

[[member]]
name = "two"
account = "333333333333"
external_id = "external-2"

[[link]]
management_experience = "exp-m"
member = "one"
member_experience = "exp-2"

[[link]]
management_experience = "exp-m"
member = "two"
member_experience = "exp-3"
"#;

const SCHEDULED: &str =
    r#"{"source":"pmp-sync.schedule","detail-type":"Scheduled Sync","detail":{}}"#;
const MEMBERS: [char; 2] = ['2', '3'];

pub(crate) fn product(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

pub(crate) fn products(prefix: &str, count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| product(&format!("prod-{prefix}{number:04}")))
        .collect()
}

/// Of a digit, the account of twelve of these.
fn account(member: char) -> AccountId {
    let id = if member.is_ascii_digit() {
        member.to_string().repeat(12)
    } else {
        format!("9{:011}", u32::from(member))
    };
    AccountId::new(id).unwrap()
}

/// A configuration in which each of these members follows the management experience.
fn config_of(members: &[char]) -> String {
    let one = |member: &char| {
        let (account, experience) = (account(*member), experience(*member));
        let name = format!("m-{}", member.to_ascii_lowercase());
        format!(
            "\n[[member]]\nname = \"{name}\"\naccount = \"{account}\"\nexternal_id = \"external-{member}\"\n\n[[link]]\nmanagement_experience = \"exp-m\"\nmember = \"{name}\"\nmember_experience = \"{experience}\"\n"
        )
    };
    let members: String = members.iter().map(one).collect();
    format!("schema = 1\n{members}")
}

fn experience(digit: char) -> ExperienceId {
    ExperienceId::new(format!("exp-{digit}")).unwrap()
}

fn lane(digit: char) -> LaneId {
    LaneId {
        account: account(digit),
        experience: experience(digit),
    }
}

pub(crate) struct System {
    pub(crate) world: World,
    producer: Producer,
    workers: Vec<(char, Worker)>,
}

impl System {
    /// The management experience has these lists, the members' have nothing.
    pub(crate) fn new(
        allow: impl IntoIterator<Item = ProductId>,
        deny: impl IntoIterator<Item = ProductId>,
    ) -> Self {
        let members = MEMBERS.into_iter().zip(["external-1", "external-2"]);
        let members: Vec<_> = members
            .map(|(member, id)| (member, id.to_owned()))
            .collect();
        let lists = PolicySnapshot::new(allow, deny);
        Self::set_up(lists, &members, CONFIG)
    }

    /// The same with other members.
    pub(crate) fn with_members(
        members: &[char],
        allow: impl IntoIterator<Item = ProductId>,
    ) -> Self {
        let external_id = |member: &char| (*member, format!("external-{member}"));
        let opened: Vec<_> = members.iter().map(external_id).collect();
        let lists = PolicySnapshot::new(allow, []);
        Self::set_up(lists, &opened, &config_of(members))
    }

    fn set_up(lists: PolicySnapshot, members: &[(char, String)], config: &str) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|experiences| {
            experiences.add(&account('1'), &experience('m'), lists);
            for (member, _) in members {
                let nothing = PolicySnapshot::default();
                experiences.add(&account(*member), &experience(*member), nothing);
            }
        });
        for (member, external_id) in members {
            world.open_member(&account(*member), external_id);
        }
        world.ledger(|ledger| ledger.configs.push(config.to_owned()));
        let producer = producer(&world, &account('1'));
        let workers = members
            .iter()
            .map(|(member, _)| {
                let of = Membership::new(account(*member), 30);
                (*member, worker(&world, of))
            })
            .collect();
        Self {
            world,
            producer,
            workers,
        }
    }

    /// The parameters of a member's stack are others from now on.
    pub(crate) fn rule(&mut self, member: char, mode: &str, most_denies: &str) {
        let rules = MemberRules::parse(mode, most_denies).unwrap();
        for (of, known) in &mut self.workers {
            if *of == member {
                let of = Membership::new(account(member), 30);
                *known = worker(&self.world, of.with_rules(rules.clone()));
            }
        }
    }

    /// Delivers a batch of the inbox. Returns false if there is none.
    fn produce(&self) -> bool {
        if let Some(visible) = self.world.inbox(|inbox| inbox.next_visible()) {
            self.world.advance_to(visible);
        }
        let records = self.world.receive_requests(720);
        if records.is_empty() {
            return false;
        }
        let deadline = later(self.world.time(), 900);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
        true
    }

    /// The schedule fires, and its run is planned and sent.
    pub(crate) fn sync(&self) {
        self.world.request(SCHEDULED);
        self.take_requests();
    }

    fn take_requests(&self) {
        for _ in 0..50 {
            if !self.produce() {
                return;
            }
        }
        panic!("the producer does not come to rest");
    }

    fn ask(&self, detail_type: &str, filter: &str) {
        let body = format!(
            r#"{{"source":"pmp-sync","detail-type":"{detail_type}","detail":{{"filter":{filter}}}}}"#
        );
        self.world.request(body);
        self.take_requests();
    }

    /// Somebody asks for something about what is held on a member's experience.
    pub(crate) fn approval(&self, what: &str, member: char, run: RunId, plan: Option<&PlanHash>) {
        self.approval_by("somebody", what, member, (run, plan));
    }

    /// The same, by this requester.
    pub(crate) fn approval_by(
        &self,
        by: &str,
        what: &str,
        member: char,
        (run, plan): (RunId, Option<&PlanHash>),
    ) {
        let plan = plan.map_or(String::new(), |plan| format!(r#","plan_hash":"{plan}""#));
        let (account, experience) = (account(member), experience(member));
        let body = format!(
            r#"{{"source":"pmp-sync","detail-type":"{what} Requested","detail":{{"member_account":"{account}","experience":"{experience}","run":"{run}","requester":"{by}"{plan}}}}}"#
        );
        self.world.request(body);
        self.take_requests();
    }

    /// What is held on a member's experience is approved as it stands.
    pub(crate) fn approve(&self, member: char) -> Hold {
        let hold = self.link_state(member).hold.unwrap();
        self.approval("Approval", member, hold.run, Some(&hold.plan_hash));
        hold
    }

    pub(crate) fn link_state(&self, member: char) -> LinkState {
        self.world.ledger(|ledger| {
            ledger
                .link_states
                .get(&lane(member))
                .cloned()
                .unwrap_or_default()
        })
    }

    /// How often something was announced to be held.
    pub(crate) fn announced(&self) -> usize {
        let events = self.world.events();
        events.iter().filter(|(_, what, _)| *what == HELD).count()
    }

    /// A request for a run that overrides freezes.
    pub(crate) fn sync_overriding(&self) {
        let body = r#"{"source":"pmp-sync","detail-type":"Sync Requested","detail":{"override_reason":"it has to be now"}}"#;
        self.world.request(body);
        self.take_requests();
    }

    pub(crate) fn edit_management(&self, edit: impl FnOnce(&mut Experience)) {
        self.world.experiences(|experiences| {
            experiences.edit(&experience('m'), |experience, _| edit(experience));
        });
    }

    /// The producer's next look at the management list is told of so many products only.
    pub(crate) fn read_short(&self, most: usize) {
        self.world
            .experiences(|experiences| experiences.read_short(&experience('m'), most));
    }

    pub(crate) fn edit_member(&self, member: char, product: &ProductId, action: Action) {
        self.world.experiences(|experiences| {
            experiences.edit(&experience(member), |_, policy| {
                *policy = policy.overlaid([(product, action)]);
            });
        });
    }

    pub(crate) fn replay(&self, filter: &str) {
        self.ask("Replay Requested", filter);
    }

    pub(crate) fn discard(&self, filter: &str) {
        self.ask("Discard Requested", filter);
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterList {
        block_on(queries::dead_letters(
            &self.producer,
            &DeadLetterFilter::default(),
            later(self.world.time(), 30),
        ))
        .unwrap()
    }

    /// A run in which something happens as soon as a plan for the member is on record, and before it is
    /// the lane's.
    pub(crate) fn sync_and_meanwhile(&self, member: char, happens: impl FnOnce()) {
        self.world.failing(|failing| failing.interleave(true));
        let deadline = later(self.world.time(), 900);
        let records = [Record {
            id: format!("m-{}", self.world.failing(|failing| failing.total())),
            body: SCHEDULED.to_owned(),
            ..Record::default()
        }];
        let mut run = Box::pin(dispatch(&self.producer, &records, deadline));
        let waker = noop_waker();
        let mut context = std::task::Context::from_waker(&waker);
        let is_on_record = || {
            let name = lane(member).to_string();
            self.world
                .ledger(|ledger| ledger.links.keys().any(|(_, of)| *of == name))
        };
        while !is_on_record() {
            assert!(run.as_mut().poll(&mut context).is_pending());
        }
        happens();
        while run.as_mut().poll(&mut context).is_pending() {}
        self.world.failing(|failing| failing.interleave(false));
    }

    /// What a worker with these rules writes down.
    pub(crate) fn mark(&self, member: char, mode: &str) {
        let mark = MemberRules::parse(mode, "").unwrap().mark();
        let state = self.state(member);
        let next = LaneState {
            rev: state.rev + 1,
            ..state.ruled(mark).unwrap()
        };
        self.world
            .ledger(|ledger| ledger.put_lane(&lane(member), next));
    }

    /// A run that ends with its process after so many calls.
    pub(crate) fn cut_off_after(&self, calls: u64) {
        self.cut_off(SCHEDULED, calls);
    }

    /// An approval whose invocation ends with its process after so many calls more. True if it was cut off.
    pub(crate) fn approve_cut_off(&self, member: char, hold: &Hold, calls: u64) -> bool {
        let (account, experience) = (account(member), experience(member));
        let (run, plan) = (hold.run, &hold.plan_hash);
        let body = format!(
            r#"{{"source":"pmp-sync","detail-type":"Approval Requested","detail":{{"member_account":"{account}","experience":"{experience}","run":"{run}","plan_hash":"{plan}"}}}}"#
        );
        let calls = self.world.failing(|failing| failing.total()) + calls;
        self.cut_off(&body, calls)
    }

    fn cut_off(&self, body: &str, calls: u64) -> bool {
        self.world.failing(|failing| failing.interleave(true));
        let deadline = later(self.world.time(), 900);
        let records = [Record {
            id: format!("m-{}", self.world.failing(|failing| failing.total())),
            body: body.to_owned(),
            ..Record::default()
        }];
        let mut run = Box::pin(dispatch(&self.producer, &records, deadline));
        let waker = noop_waker();
        let mut context = std::task::Context::from_waker(&waker);
        let mut pending = true;
        while pending && self.world.failing(|failing| failing.total()) < calls {
            pending = run.as_mut().poll(&mut context).is_pending();
        }
        drop(run);
        self.world.failing(|failing| failing.interleave(false));
        pending
    }

    /// Delivers everything and moves the clock on, until nothing is left to happen.
    pub(crate) fn rest(&self) {
        self.rest_until(|_| false);
    }

    /// The same, until something holds.
    pub(crate) fn rest_until(&self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            self.take_requests();
            if holds(self) {
                return;
            }
            if self.deliver() {
                continue;
            }
            let due = self.workers.iter().filter_map(|(member, _)| {
                self.world
                    .changes(&account(*member), |queue| queue.next_due())
            });
            match due.min() {
                Some(due) => self.world.advance_to(due),
                None => return,
            }
        }
        panic!("the system does not come to rest");
    }

    /// One batch for each member. True if there was one.
    fn deliver(&self) -> bool {
        let now = self.world.time();
        let mut any = false;
        for (member, worker) in &self.workers {
            let batch = self
                .world
                .changes(&account(*member), |queue| queue.take(now, 10));
            any |= !batch.is_empty();
            let records: Vec<_> = batch
                .iter()
                .map(|delivery| Record {
                    id: delivery.id.to_string(),
                    body: delivery.body.clone(),
                    ..Record::default()
                })
                .collect();
            let dispositions = block_on(handle(worker, &records, later(now, 30)));
            for (delivery, disposition) in batch.into_iter().zip(dispositions) {
                if disposition == Disposition::Retry {
                    self.world.changes(&account(*member), |queue| {
                        queue.put_back(delivery, later(now, 180));
                    });
                }
            }
        }
        any
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.world.advance_to(later(self.world.time(), seconds));
    }

    pub(crate) fn push(&self, member: char, body: &str) {
        let now = self.world.time();
        self.world
            .changes(&account(member), |queue| queue.push(body.to_owned(), now));
    }

    pub(crate) fn make_bad(&self, id: &str) {
        self.world
            .experiences(|experiences| experiences.make_bad(product(id)));
    }

    pub(crate) fn make_good(&self, id: &str) {
        self.world
            .experiences(|experiences| experiences.make_good(&product(id)));
    }

    pub(crate) fn manage(&self, lists: PolicySnapshot) {
        self.world.experiences(|experiences| {
            experiences.edit(&experience('m'), |_, policy| *policy = lists);
        });
    }

    pub(crate) fn configure(&self, text: &str) {
        self.world
            .ledger(|ledger| ledger.configs.push(text.to_owned()));
    }

    pub(crate) fn suspensions(&self, suspensions: Suspensions) {
        self.world.ledger(|ledger| ledger.suspensions = suspensions);
    }

    pub(crate) fn reachable(&self, member: char, reachable: bool) {
        self.world.set_reachable(&account(member), reachable);
    }

    pub(crate) fn policy(&self, member: char) -> PolicySnapshot {
        self.world
            .experiences(|experiences| experiences.policy(&experience(member)))
    }

    /// How many change sets were started on the member's experience.
    pub(crate) fn sets(&self, member: char) -> usize {
        self.world.experiences(|experiences| {
            let all = experiences.change_sets().iter();
            all.filter(|set| set.experience == experience(member))
                .count()
        })
    }

    /// The change sets on record.
    pub(crate) fn records(&self, member: char, run: Option<RunId>) -> Vec<SetRecord> {
        block_on(self.world.sets(&lane(member), run)).unwrap().items
    }

    pub(crate) fn state(&self, member: char) -> LaneState {
        self.world
            .ledger(|ledger| ledger.lanes.get(&lane(member)).cloned().unwrap_or_default())
    }

    fn count(
        &self,
        member: char,
        is_counted: impl Fn(&pmp_sync_fakes::ItemState) -> bool,
    ) -> usize {
        self.world.ledger(|ledger| {
            let items = ledger.items.iter();
            items
                .filter(|((of, _), item)| *of == lane(member) && is_counted(item))
                .count()
        })
    }

    pub(crate) fn open(&self, member: char) -> usize {
        self.count(member, pmp_sync_fakes::ItemState::is_open)
    }

    pub(crate) fn closed(&self, member: char, closing: Closing) -> usize {
        self.count(member, |item| item.closed == Some(closing))
    }

    pub(crate) fn dead(&self, member: char) -> Vec<String> {
        let dead = self.world.dead_of(&account(member));
        dead.into_iter().map(|(body, _)| body).collect()
    }

    pub(crate) fn outcomes(&self) -> Vec<DeadLetterOutcome> {
        self.world.ledger(|ledger| {
            let records = ledger.dead_letters.iter();
            records.map(|(_, record)| record.outcome).collect()
        })
    }

    pub(crate) fn runs(&self) -> Vec<RunRecord> {
        self.world
            .ledger(|ledger| ledger.runs.values().cloned().collect())
    }

    pub(crate) fn last_run(&self) -> RunRecord {
        self.runs().pop().unwrap()
    }

    /// The last run that the schedule asked for.
    pub(crate) fn last_full_run(&self) -> RunRecord {
        self.run_with(|run| run.requests[0].kind == "schedule")
    }

    pub(crate) fn run_with(&self, is_it: impl Fn(&RunRecord) -> bool) -> RunRecord {
        self.runs().into_iter().rev().find(is_it).unwrap()
    }

    pub(crate) fn unfinished_runs(&self) -> Vec<RunRecord> {
        let mut runs = self.runs();
        runs.retain(|run| !run.status.is_final());
        runs
    }

    pub(crate) fn link(&self, run: RunId, member: char) -> LinkRecord {
        self.find_link(run, member).unwrap()
    }

    pub(crate) fn find_link(&self, run: RunId, member: char) -> Option<LinkRecord> {
        let key = (run, lane(member).to_string());
        self.world.ledger(|ledger| ledger.links.get(&key).cloned())
    }
}
