//! Experiences and members by the command: made, enabled, archived; added, looked at, suspended; and a
//! bootstrap that is interrupted with every call, and run again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use pmp_sync_local::proxy::{Filter, Moment, Proxy};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::setup::{Answer, Local, control, look};

const EMEA: &str = "222222222222";
const LATAM: &str = "444444444444";
/// More calls to the Catalog API and to Organizations than a bootstrap makes.
const CATALOG_CALLS: usize = 40;
/// More calls than to everything else.
const AWS_CALLS: usize = 12;
/// Bootstraps at the same time.
const AT_ONCE: usize = 4;

#[test]
fn experiences_and_members_are_administered_with_the_real_command() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let experience = an_experience_is_made_and_gets_an_audience(&local);
    enabling_is_asked_for_and_what_is_enabled_is_not_archived(&local, &experience);
    a_lock_of_somebody_else_is_waited_for(&local, &experience);
    a_member_is_bootstrapped_with_what_is_there(&local, &experience);
    a_member_is_added_in_observe_mode(&local);
    a_member_goes_on_to_mirror(&local);
    a_suspended_member_stays_as_it_is(&local);
    a_bootstrap_that_is_killed_ends_the_same_when_it_is_run_again(&local);
}

/// `experience VERB` with the credentials of latam.
fn act(local: &Local, arguments: &[&str]) -> Answer {
    let of_latam = ["--json", "--profile", "latam"];
    local.run(&[&["experience"], arguments, &of_latam].concat())
}

/// The same, when it succeeds: whether something changed, and how the experience stands.
#[track_caller]
fn acted(local: &Local, arguments: &[&str]) -> (bool, Value) {
    let answer = act(local, arguments).ended_with(0).json();
    (answer["changed"].as_bool().unwrap(), answer)
}

fn an_experience_is_made_and_gets_an_audience(local: &Local) -> String {
    let list = act(local, &["list"]).ended_with(0).json();
    assert_eq!(list, json!({ "experiences": [] }));
    let (changed, made) = acted(local, &["create", "Latam products"]);
    assert!(changed, "{made}");
    assert_eq!(
        (&made["status"], &made["allowed"], &made["principals"]),
        (&json!("Disabled"), &json!(0), &json!([]))
    );
    let id = made["experience"].as_str().unwrap().to_owned();
    let (changed, again) = acted(local, &["create", "Latam products"]);
    assert_eq!(
        (changed, &again["experience"]),
        (false, &made["experience"])
    );

    let (changed, associated) = acted(local, &["associate"]);
    let organization = json!(["o-944444444444"]);
    assert_eq!((changed, &associated["principals"]), (true, &organization));
    assert!(!acted(local, &["associate"]).0);
    let foreign = act(local, &["associate", "--principal", "o-922222222222"]);
    foreign.ended_with(1).tells(&["CALLER_NOT_AUTHORIZED"]);

    let (_, other) = acted(local, &["create", "Another"]);
    let other = other["experience"].as_str().unwrap();
    let taken = act(local, &["associate", "--experience", other]).ended_with(5);
    taken.tells(&["o-944444444444 is in the audience of", &id]);
    act(local, &["disable"])
        .ended_with(5)
        .tells(&["several experiences", &id, other]);
    let stranger = ["experience", "disable", "--experience", &id, "--profile"];
    local
        .run(&[&stranger[..], &["emea"]].concat())
        .ended_with(1);
    id
}

fn enabling_is_asked_for_and_what_is_enabled_is_not_archived(local: &Local, id: &str) {
    let this = ["--experience", id];
    let of = |verb: &[&'static str]| [verb, &this[..]].concat();
    let asked = act(local, &of(&["enable"])).ended_with(5);
    asked.tells(&["ITS LIST IS EMPTY", "o-944444444444", "--yes"]);
    let (changed, enabled) = acted(local, &of(&["enable", "--yes"]));
    assert_eq!((changed, &enabled["status"]), (true, &json!("Enabled")));
    // Nothing is left to ask about.
    assert!(!acted(local, &of(&["enable"])).0);

    act(local, &of(&["archive"]))
        .ended_with(5)
        .tells(&["not disabled", "--disable"]);
    let (changed, archived) = acted(local, &of(&["archive", "--disable"]));
    assert_eq!(
        (changed, &archived["status"], &archived["archived"]),
        (true, &json!("Disabled"), &json!(true))
    );
    assert!(!acted(local, &of(&["archive"])).0);
    act(local, &of(&["enable", "--yes"]))
        .ended_with(5)
        .tells(&["archived", "experience revive"]);
    act(local, &["create", "Latam products"])
        .ended_with(5)
        .tells(&["is archived", id]);
    assert!(acted(local, &of(&["revive"])).0);
    let (changed, revived) = acted(local, &of(&["revive"]));
    assert_eq!((changed, &revived["archived"]), (false, &json!(false)));
}

fn a_lock_of_somebody_else_is_waited_for(local: &Local, id: &str) {
    let lock = || {
        let path = format!("/_control/experiences/{id}/foreign-lock");
        control(local, "POST", &path, &json!({ "seconds": 1.5 }));
    };
    lock();
    let enable = ["enable", "--yes", "--experience", id];
    let late = act(local, &[&enable[..], &["--timeout", "0"]].concat()).ended_with(1);
    assert_eq!(late.json()["error"]["code"], "late");
    assert!(acted(local, &enable).0);
    lock();
    assert!(acted(local, &["disable", "--experience", id]).0);
}

fn bootstrap(local: &Local, account: &str, more: &[&str], variables: &[(&str, &str)]) -> Answer {
    let command = ["member", "bootstrap", "--json", "--account", account];
    local.run_with(&[&command, more].concat(), variables)
}

/// The member of that account in `member list`.
fn listed(local: &Local, account: &str) -> Value {
    let list = local
        .run(&["member", "list", "--json"])
        .ended_with(0)
        .json();
    let members = list["members"].as_array().unwrap().iter();
    let mut of_account = members.filter(|member| member["account"] == account);
    of_account.next().cloned().unwrap_or_default()
}

fn a_member_is_bootstrapped_with_what_is_there(local: &Local, id: &str) {
    bootstrap(local, LATAM, &["--profile", "emea"], &[])
        .ended_with(5)
        .tells(&["are those of account 222222222222, not 444444444444"]);
    let this = ["--profile", "latam", "--experience", id];
    let done = bootstrap(local, LATAM, &this, &[]).ended_with(0).json();
    assert_eq!(
        (&done["experience"], &done["changed"], &done["enabled"]),
        (&json!(id), &json!(false), &json!(false))
    );
    let member = listed(local, LATAM);
    assert_eq!(member["member"], Value::Null);
    assert_eq!(member["bootstrapped"], id);
}

/// The configuration in force, without emea.
fn without_emea(local: &Local) -> String {
    let shown = local.run(&["config", "show"]).ended_with(0).stdout;
    let blocks = shown.split("\n[[").filter(|block| !block.contains("emea"));
    blocks.collect::<Vec<_>>().join("\n[[")
}

fn experience_of_emea(local: &Local) -> String {
    let experience = &local.member("emea")["experience"];
    experience.as_str().unwrap().to_owned()
}

fn lists(local: &Local, experience: &str) -> Value {
    look(local, &format!("/_control/experiences/{experience}/lists"))
}

fn a_member_is_added_in_observe_mode(local: &Local) {
    let file = local.file("without.toml", &without_emea(local));
    local
        .run(&["config", "apply", &file, "--yes"])
        .ended_with(0);
    let experience = experience_of_emea(local);
    let add = [
        "member",
        "add",
        "emea",
        "--account",
        EMEA,
        "--experience",
        &experience,
    ];
    local.run(&add).ended_with(5).tells(&[
        "no external id is known",
        "deploy member --account 222222222222",
    ]);
    let external = local.member("emea")["external_id"].as_str().unwrap();
    let with_id = [&add[..], &["--external-id", external, "--json"]].concat();
    let before = lists(local, &experience);
    let added = local.run(&with_id).ended_with(0);
    added.tells(&[
        "nothing changes in observe mode",
        "member mode emea mirror|additive",
    ]);
    let added = added.json();
    assert_eq!(
        (&added["stored"], &added["run"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(added["links"][0]["mode"], "observe");
    let source = local.text("management_experience");
    assert_eq!(added["links"][0]["management_experience"], source);
    let again = local
        .run(&[&add[..], &["--json"]].concat())
        .ended_with(0)
        .json();
    assert_eq!(
        (&again["stored"], &again["version"]),
        (&json!(false), &added["version"])
    );
    local
        .run(&[&add[..], &["--mode", "mirror"]].concat())
        .ended_with(5)
        .tells(&["mode observe, not mirror", "pmp-sync member mode"]);
    local
        .run(&[&add[..], &["--external-id", "another"]].concat())
        .ended_with(5)
        .tells(&["has another external id already"]);
    // It would change something if it acted.
    let plan = local.run(&["plan", "--member", "emea"]).ended_with(2);
    assert!(plan.stdout.contains("in mode mirror, it would make"));
    assert_eq!(lists(local, &experience), before);
}

/// No run has observed it, and it allows products of its own: the first mirror shows them and waits.
fn a_member_goes_on_to_mirror(local: &Local) {
    let before = lists(local, &experience_of_emea(local));
    let mirror = ["member", "mode", "emea", "mirror"];
    let held = local.run(&mirror).ended_with(3);
    held.tells(&[
        "PMS-7006",
        "would remove 3 of the 8 products",
        "pmp-sync approve ",
    ]);
    // Nothing is removed; what was missing is allowed meanwhile.
    let meanwhile = lists(local, &experience_of_emea(local));
    let allows = |lists: &Value, product: &Value| {
        let allowed = lists["allow"].as_array().unwrap();
        allowed.contains(product)
    };
    for product in before["allow"].as_array().unwrap() {
        assert!(allows(&meanwhile, product), "{product}: {meanwhile}");
    }
    let holds = local.run(&["holds", "--json"]);
    let holds = holds.ended_with(3).json();
    let command = holds["holds"][0]["approve"].as_str().unwrap();
    let words: Vec<_> = command.split_whitespace().skip(1).collect();
    local.run(&words).ended_with(0);
    let changed = [&mirror[..], &["--json"]].concat();
    let changed = local.run(&changed).ended_with(0).json();
    assert_eq!(changed["run"]["status"], "completed", "{changed}");
    let wanted = lists(local, local.text("management_experience"));
    let is = lists(local, &experience_of_emea(local));
    assert_eq!(is["allow"], wanted["allow"]);
    let member = listed(local, EMEA);
    assert_eq!(member["suspended"], Value::Null);
    assert_eq!(member["links"][0]["mode"], "mirror");
    assert!(member["lanes"][0]["last_in_sync"].is_string(), "{member}");
    let table = local.run(&["member", "list"]).ended_with(0).stdout;
    let row = table
        .lines()
        .find(|line| line.trim_start().starts_with("emea"))
        .unwrap();
    assert!(row.contains("active"), "{table}");
    local
        .run(&["member", "mode", "nobody", "mirror"])
        .ended_with(5)
        .tells(&["nobody has no link"]);
}

fn a_suspended_member_stays_as_it_is(local: &Local) {
    let experience = experience_of_emea(local);
    let before = lists(local, &experience);
    local.run(&["suspend", "--member", "emea"]).ended_with(0);
    assert!(listed(local, EMEA)["suspended"]["since"].is_string());
    let source = local.text("management_experience");
    let mut wanted = lists(local, source);
    let allowed = wanted["allow"].as_array_mut().unwrap();
    allowed.push(json!("prod-while-suspended"));
    let path = format!("/_control/experiences/{source}/lists");
    control(local, "PUT", &path, &wanted);
    let sync = ["sync", "--member", "emea", "--wait"];
    local.run(&sync).ended_with(4);
    assert_eq!(lists(local, &experience), before);
    local.run(&["resume", "--member", "emea"]).ended_with(0);
    local.run(&sync).ended_with(0);
    let after = lists(local, &experience)["allow"].clone();
    let came = after.as_array().unwrap().iter();
    assert!(
        came.into_iter().any(|id| id == "prod-while-suspended"),
        "{after}"
    );
}

/// Before the endpoints of one kind: the command is killed with its nth call there.
struct Side<'a> {
    proxy: &'a Proxy,
    /// The variables that lead through it.
    variables: &'static [&'static str],
    /// What the accounts of this side begin with.
    digit: char,
    calls: usize,
}

/// A bootstrap of an organization of its own that is killed with its nth call, and then run again.
fn interrupted(local: &Local, side: &Side<'_>, number: usize) -> bool {
    // Each call before and after it has had its effect.
    let n = number.div_ceil(2);
    let moment = [Moment::Before, Moment::After][number % 2];
    let account = format!("{}{number:011}", side.digit);
    let owner = format!("9{}{number:010}", side.digit);
    let org = json!({ "management_account": owner, "delegated_admins": [account] });
    control(local, "POST", "/_control/orgs", &org);
    let filter = Filter::any().environment(format!("SWEEP={account}\n"));
    let rule = side
        .proxy
        .rules(|rules| rules.kill_after(filter, n as u64, moment));
    let file = local.file(
        &format!("config-{account}"),
        &format!("[profile new]\naws_access_key_id = {account}\naws_secret_access_key = test\n"),
    );
    let endpoint = side.proxy.endpoint();
    let mut variables = vec![("AWS_CONFIG_FILE", file.as_str()), ("SWEEP", &account)];
    variables.extend(side.variables.iter().map(|name| (*name, endpoint.as_str())));
    let new = ["--profile", "new", "--experience-name", "Ours"];
    let first = bootstrap(local, &account, &new, &variables);
    let was_killed = side.proxy.rules(|rules| rules.hits(rule)) > 0;
    side.proxy.rules(|rules| rules.remove(rule));
    assert_eq!(first.code.is_none(), was_killed, "call {n}: {first:#?}");
    let second = bootstrap(local, &account, &new, &variables).ended_with(0);
    let second = second.json();
    let third = bootstrap(local, &account, &new, &variables).ended_with(0);
    let third = third.json();
    assert_eq!(
        (&third["experience"], &third["changed"]),
        (&second["experience"], &json!(false)),
        "call {n}"
    );
    assert_eq!(second["principals"], json!([format!("o-{owner}")]));
    // One experience, with a policy and the audience, and disabled; known to the ledger.
    let all = look(local, "/_control/experiences");
    let own: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["owner"] == owner)
        .map(|one| {
            json!({
                "id": one["id"], "name": one["name"], "enabled": one["enabled"],
                "lists": one["lists"], "principals": one["principals"],
            })
        })
        .collect();
    let expected = json!([{
        "id": second["experience"], "name": "Ours", "enabled": false,
        "lists": { "allow": [], "deny": [] }, "principals": second["principals"],
    }]);
    assert_eq!(json!(own), expected, "call {n}");
    assert_eq!(
        listed(local, &account)["bootstrapped"],
        second["experience"]
    );
    was_killed
}

fn a_bootstrap_that_is_killed_ends_the_same_when_it_is_run_again(local: &Local) {
    let runtime = Runtime::new().unwrap();
    let before = |name: &str| {
        let address = local.text(name).trim_start_matches("http://");
        let upstream: SocketAddr = address.parse().unwrap();
        let proxy = runtime.block_on(Proxy::start(upstream)).unwrap();
        proxy.allow_kills_below(std::process::id());
        proxy
    };
    let (catalog, aws) = (before("catalog_endpoint"), before("endpoint"));
    let sides = [
        Side {
            proxy: &catalog,
            variables: &[
                "AWS_ENDPOINT_URL_MARKETPLACE_CATALOG",
                "AWS_ENDPOINT_URL_ORGANIZATIONS",
            ],
            digit: '6',
            calls: CATALOG_CALLS,
        },
        Side {
            proxy: &aws,
            variables: &["AWS_ENDPOINT_URL"],
            digit: '7',
            calls: AWS_CALLS,
        },
    ];
    for (side, at_least) in sides.iter().zip([12, 5]) {
        let next = AtomicUsize::new(1);
        let killed: BTreeMap<usize, bool> = std::thread::scope(|scope| {
            let sweep = || {
                let mut killed = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > 2 * side.calls {
                        return killed;
                    }
                    killed.push((number, interrupted(local, side, number)));
                }
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(sweep)).collect();
            let ended = threads.into_iter();
            let ended = ended.flat_map(|thread| thread.join().unwrap());
            ended.collect()
        });
        let calls = killed.values().take_while(|killed| **killed).count() / 2;
        let where_to = &side.variables;
        assert!(
            calls >= at_least,
            "{calls} calls to {where_to:?}: {killed:?}"
        );
        assert!(
            !killed[&(2 * side.calls)],
            "it does not reach the end: {killed:?}"
        );
    }
}
