//! Nothing is denied by mistake: what a management experience in a strange state leads to is held, and
//! released by the very command that is printed; a wrong approval is undone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::setup::{Answer, Local, control, look};

/// No plan has this hash.
const STALE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An experience's products on one of its lists.
fn list(local: &Local, experience: &str, list: &str) -> BTreeSet<String> {
    let lists = look(local, &format!("/_control/experiences/{experience}/lists"));
    let products = lists[list].as_array().unwrap().iter();
    products
        .map(|product| product.as_str().unwrap().to_owned())
        .collect()
}

struct Setting {
    local: Local,
    /// The management experience as it should be.
    management: Value,
    members: [String; 2],
}

impl Setting {
    fn new() -> Self {
        let local = Local::up(&["--ttl", "15m", "--change-set-seconds", "0.3"]);
        local.run(&["sync", "--wait"]).ended_with(0);
        let id = local.text("management_experience").to_owned();
        let all = look(&local, "/_control/experiences");
        let mut all = all.as_array().unwrap().iter();
        let management = all.find(|one| one["id"] == *id).unwrap().clone();
        let experience = |member: &str| {
            let member = local.member(member);
            member["experience"].as_str().unwrap().to_owned()
        };
        Self {
            members: [experience("emea"), experience("apac")],
            management,
            local,
        }
    }

    fn emea(&self) -> &str {
        &self.members[0]
    }

    /// Puts the management experience into this state.
    fn manage(&self, changes: &Value) {
        let mut state = self.management.clone();
        let fields = state.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        control(&self.local, "POST", "/_control/experiences", &state);
    }

    fn allowed(&self) -> Vec<BTreeSet<String>> {
        let members = self.members.iter();
        members
            .map(|member| list(&self.local, member, "allow"))
            .collect()
    }

    /// A run that is held, sends nothing and changes nothing; `why` is told by all commands that should.
    fn is_held(&self, why: &str) {
        let before = self.allowed();
        let run = self
            .local
            .run(&["sync", "--wait", "--json"])
            .ended_with(3)
            .json();
        assert_eq!(
            (&run["status"], &run["totals"]["messages"]),
            (&json!("held"), &json!(0)),
            "{run}"
        );
        assert_eq!(self.allowed(), before, "{why}");
        let status = self.local.run(&["status"]).ended_with(0);
        status.tells(&["held", why]);
        let holds = self.local.run(&["holds"]).ended_with(3);
        assert!(holds.stdout.contains(why), "{holds:#?}");
        assert!(holds.stdout.contains("pmp-sync approve "), "{holds:#?}");
    }

    /// What is held on the first member's experience.
    fn hold(&self) -> Value {
        let holds = ["holds", "--experience", self.emea(), "--json"];
        let holds = self.local.run(&holds).ended_with(3).json();
        assert_eq!(holds["holds"].as_array().unwrap().len(), 1, "{holds}");
        holds["holds"][0].clone()
    }

    /// The command that is printed with another hash does nothing.
    fn stale_approval_does_nothing(&self) {
        let before = self.allowed();
        let hold = self.hold();
        let run = hold["run"].as_str().unwrap();
        let stale = ["approve", run, "--experience", self.emea(), "--plan", STALE];
        let answer = self.local.run(&stale).ended_with(3);
        answer.tells(&["is not the plan that was named", "pmp-sync approve "]);
        assert_eq!(self.allowed(), before);
    }

    /// Runs the very command that is printed.
    fn approve(&self) -> Answer {
        let hold = self.hold();
        let command = hold["approve"].as_str().unwrap();
        let arguments: Vec<_> = command.split(' ').skip(1).collect();
        self.local.run(&arguments).ended_with(0)
    }

    /// The management experience is as it should be, and everybody is in sync.
    fn is_well_again(&self) {
        self.manage(&json!({}));
        self.local.run(&["sync", "--wait"]).ended_with(0);
        self.local.run(&["holds"]).ended_with(0);
        let wanted = list(
            &self.local,
            self.management["id"].as_str().unwrap(),
            "allow",
        );
        for allowed in self.allowed() {
            assert_eq!(allowed, wanted);
        }
    }
}

#[test]
fn a_management_experience_in_a_strange_state_denies_nothing_before_somebody_approves_it() {
    let setting = Setting::new();
    let wanted = setting.allowed()[0].clone();
    assert!(wanted.len() > 20, "{wanted:?}");
    let empty = json!({ "lists": { "allow": [], "deny": setting.management["lists"]["deny"] } });
    let fewer: Vec<_> = wanted.iter().take(wanted.len() / 3).collect();
    let fewer = json!({ "lists": { "allow": fewer, "deny": setting.management["lists"]["deny"] } });
    let few = &fewer["lists"]["allow"];
    for (changes, why, left) in [
        (json!({ "enabled": false }), "is not enabled", None),
        (
            json!({ "enabled": false, "archived": true }),
            "is archived",
            None,
        ),
        // What is more, its lists are others.
        (
            json!({ "enabled": false, "lists": fewer["lists"] }),
            "is not enabled",
            Some(few),
        ),
        (
            json!({ "lists": null }),
            "has no procurement policy",
            Some(&json!([])),
        ),
        (empty, "allows nothing", Some(&json!([]))),
    ] {
        setting.manage(&changes);
        setting.is_held(why);
        setting.stale_approval_does_nothing();
        setting.approve();
        let left: BTreeSet<String> = match left {
            Some(left) => serde_json::from_value(left.clone()).unwrap(),
            None => wanted.clone(),
        };
        assert_eq!(setting.allowed()[0], left, "{why}");
        // The other member's plan was not approved.
        assert_eq!(setting.allowed()[1], wanted, "{why}");
        setting.is_well_again();
    }

    // An answer of the API that is cut off and well-formed.
    let id = setting.management["id"].as_str().unwrap();
    let faults = json!({ "short_answers": { id: wanted.len() / 3 } });
    control(&setting.local, "PUT", "/_control/faults", &faults);
    setting.is_held("it lost at least 50 %");
    setting.stale_approval_does_nothing();
    setting.approve();
    assert_eq!(setting.allowed()[0].len(), wanted.len() / 3);
    control(&setting.local, "PUT", "/_control/faults", &json!({}));
    setting.is_well_again();
}

#[test]
fn a_wrong_approval_is_undone_product_for_product() {
    let setting = Setting::new();
    let before = setting.allowed();
    setting.manage(&json!({ "lists": { "allow": [], "deny": [] } }));
    setting.is_held("allows nothing");
    setting.approve();
    assert_eq!(setting.allowed()[0], BTreeSet::new());

    // The run that did it is in the history, with who approved it and the change sets.
    let history = setting
        .local
        .run(&["history", "--json"])
        .ended_with(0)
        .json();
    let runs = history["runs"].as_array().unwrap().iter();
    let approved = |run: &&Value| run["run"]["requests"][0]["kind"] == "approval-requested";
    let mut runs = runs.filter(approved);
    let run = runs.next().unwrap()["run"]["run"].as_str().unwrap();
    assert!(runs.next().is_none());
    let told = setting.local.run(&["history", run]).ended_with(0).stdout;
    for part in ["approved", "arn:aws:iam::", "change set", "succeeded"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let lines = setting
        .local
        .run(&["history", run, "--export"])
        .ended_with(0)
        .stdout;
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["schema"], 1, "{event}");
    }

    let restore = ["restore", run, "--experience", setting.emea()];
    let answer = setting.local.run(&restore).ended_with(3);
    assert!(answer.stdout.contains("pmp-sync approve "), "{answer:#?}");
    assert_eq!(setting.allowed()[0], BTreeSet::new(), "it is only shown");
    let holds = ["holds", "--experience", setting.emea(), "--json"];
    let holds = setting.local.run(&holds).ended_with(3).json();
    let rollback = holds["holds"].as_array().unwrap().iter();
    let mut rollback = rollback.filter(|hold| hold["restores"] == run);
    let command = rollback.next().unwrap()["approve"].as_str().unwrap();
    let arguments: Vec<_> = command.split(' ').skip(1).collect();
    setting.local.run(&arguments).ended_with(0);
    assert_eq!(setting.allowed(), before);

    // The management experience still allows nothing: that does not take it back.
    setting.is_held("what was taken back");
    assert_eq!(setting.allowed(), before);
    setting.is_well_again();
}

#[test]
fn a_new_product_passes_beside_removals_that_one_command_approves_for_both_members() {
    let setting = Setting::new();
    let before = setting.allowed()[0].clone();
    let mut wanted: BTreeSet<String> = before.iter().take(before.len() / 3).cloned().collect();
    wanted.insert("prod-brand-new".to_owned());
    let deny = &setting.management["lists"]["deny"];
    setting.manage(&json!({ "lists": { "allow": wanted, "deny": deny } }));
    let sync = ["sync", "--wait", "--json"];
    let run = setting.local.run(&sync).ended_with(3).json();
    assert_eq!(run["status"], "held", "{run}");
    for allowed in setting.allowed() {
        assert!(allowed.contains("prod-brand-new"), "{allowed:?}");
        assert!(before.is_subset(&allowed), "{allowed:?}");
    }
    let plan = setting.local.run(&["plan"]).ended_with(3);
    plan.tells(&["a run would hold"]);

    // Somebody wants to keep them, and is asked no more.
    let reject = [
        "reject",
        "--member",
        "emea",
        "--reason",
        "they are needed",
        "--yes",
    ];
    setting.local.run(&reject).ended_with(0);
    setting.local.run(&["sync", "--wait"]).ended_with(3);
    let holds = setting.local.run(&["holds"]).ended_with(3).stdout;
    assert!(holds.contains("they are needed"), "{holds}");

    let both = ["approve", "--member", "emea", "--member", "apac"];
    let asked = setting.local.run(&both).ended_with(5);
    asked.tells(&["Execute what is shown on 2 links?", "--yes"]);
    let yes = [&both[..], &["--yes", "--reason", "ticket 4711", "--json"]].concat();
    let answer = setting.local.run(&yes).ended_with(0).json();
    let links = answer["links"].as_array().unwrap();
    assert!(
        links.iter().all(|link| link["result"] == "executed"),
        "{answer}"
    );
    assert_eq!(links.len(), 2, "{answer}");
    for allowed in setting.allowed() {
        assert_eq!(allowed, wanted);
    }
    let history = ["history", "--since", "1h"];
    let history = setting.local.run(&history).ended_with(0).stdout;
    assert!(history.contains("4711"), "{history}");
    setting.local.run(&["holds"]).ended_with(0);
}
