//! Removals by the command: everything is checked before the first step, and one that is killed with
//! its nth call ends the same when it is run again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use pmp_sync_local::embedded::Clients;
use pmp_sync_local::proxy::{Filter, Moment, Proxy};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::deploy::left;
use crate::setup::{Answer, Local, control, look};

const LATAM: &str = "444444444444";
/// More calls to AWS than a removal or a destruction makes, and more than a removal makes to the
/// Catalog API.
const CALLS: [usize; 2] = [90, 70];
/// The fewest that they make.
const AT_LEAST: [usize; 2] = [25, 25];
/// Installations at the same time.
const AT_ONCE: usize = 3;

/// A folder with code that is never started.
pub(crate) fn code(local: &Local) -> String {
    let code = local.folder("code");
    for function in ["pmp-sync-producer", "pmp-sync-worker"] {
        std::fs::copy(Path::new("/bin/true"), code.join(function)).unwrap();
    }
    code.to_str().unwrap().to_owned()
}

/// An installation with a member that has an enabled experience.
pub(crate) struct Installation<'a> {
    local: &'a Local,
    pub(crate) name: String,
    pub(crate) accounts: [String; 2],
    owner: String,
    variables: Vec<(&'static str, String)>,
    experience: String,
}

impl<'a> Installation<'a> {
    pub(crate) fn new(local: &'a Local, code: &str, digit: char, number: usize) -> Self {
        let accounts = ["5", "6"].map(|first| format!("{first}{digit}{number:010}"));
        let owner = format!("9{digit}{number:010}");
        let org = json!({ "management_account": owner, "delegated_admins": [accounts[1]] });
        control(local, "POST", "/_control/orgs", &org);
        let profile = |name: &str, account: &str| {
            format!(
                "[profile {name}]\naws_access_key_id = {account}\naws_secret_access_key = test\n"
            )
        };
        let text = profile("management", &accounts[0]) + &profile("new", &accounts[1]);
        let file = local.file(&format!("config-{digit}{number}"), &text);
        let mut one = Self {
            local,
            name: format!("s{digit}{number}"),
            variables: vec![("AWS_CONFIG_FILE", file), ("SWEEP", accounts[1].clone())],
            accounts,
            owner,
            experience: String::new(),
        };
        let member = one.accounts[1].as_str();
        one.run(&["deploy", "management", "--code", code, "--yes"], &[])
            .ended_with(0);
        let deploy = [
            "deploy",
            "member",
            "--account",
            member,
            "--profile",
            "new",
            "--code",
            code,
            "--yes",
            "--bootstrap",
            "--json",
        ];
        let deployed = one.run(&deploy, &[]).ended_with(0).json();
        let experience = deployed["bootstrapped"]["experience"].as_str().unwrap();
        let enable = [
            "experience",
            "enable",
            "--experience",
            experience,
            "--profile",
            "new",
            "--yes",
        ];
        one.run(&enable, &[]).ended_with(0);
        let add = [
            "member",
            "add",
            "x",
            "--account",
            member,
            "--management-experience",
            "exp-source",
        ];
        one.run(&add, &[]).ended_with(0);
        experience.clone_into(&mut one.experience);
        one
    }

    pub(crate) fn run(&self, arguments: &[&str], more: &[(&str, &str)]) -> Answer {
        let who = ["--name", &self.name, "--management-profile", "management"];
        let own = self.variables.iter();
        let mut variables: Vec<_> = own.map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend(more);
        self.local.run_with(&[arguments, &who].concat(), &variables)
    }

    pub(crate) fn remove(&self, more: &[(&str, &str)]) -> Answer {
        let remove = [
            "member",
            "remove",
            "x",
            "--experience",
            "archive",
            "--profile",
            "new",
            "--yes",
            "--json",
        ];
        self.run(&remove, more)
    }

    /// Whether the experience is enabled and archived, and its audience.
    fn experience(&self) -> Value {
        let all = look(self.local, "/_control/experiences");
        let mut own = all.as_array().unwrap().iter();
        let own = own.find(|one| one["id"] == *self.experience).unwrap();
        json!([own["enabled"], own["archived"], own["principals"]])
    }
}

/// Kills a command with its nth call, and runs it again. False if it has fewer calls.
fn killed(proxy: &Proxy, mark: &str, number: usize, run: impl Fn() -> Answer) -> (bool, Answer) {
    let n = u64::try_from(number).unwrap();
    let moment = if n.is_multiple_of(2) {
        Moment::Before
    } else {
        Moment::After
    };
    let filter = Filter::any().environment(format!("SWEEP={mark}\n"));
    let rule = proxy.rules(|rules| rules.kill_after(filter, n, moment));
    let first = run();
    let was_killed = proxy.rules(|rules| rules.hits(rule)) > 0;
    proxy.rules(|rules| rules.remove(rule));
    assert_eq!(first.code.is_none(), was_killed, "call {n}: {first:#?}");
    (was_killed, run().ended_with(0))
}

/// Removes a member and then its installation, each killed with the nth call. Whether they were.
fn interrupted(
    local: &Local,
    (proxy, side): (&Proxy, usize),
    code: &str,
    number: usize,
) -> [bool; 2] {
    let digit = ['1', '2'][side];
    let one = Installation::new(local, code, digit, number);
    let endpoint = proxy.endpoint();
    let name = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_MARKETPLACE_CATALOG"][side];
    let variables = [(name, endpoint.as_str())];
    let mark = one.accounts[1].clone();
    assert_eq!(
        one.experience(),
        json!([true, false, [format!("o-{}", one.owner)]])
    );

    let (first, _) = killed(proxy, &mark, number, || one.remove(&variables));
    assert_eq!(one.experience(), json!([false, true, []]), "call {number}");
    let again = one.remove(&[]).ended_with(0).json();
    assert_eq!(again["deleted"], json!([]), "call {number}: {again:#}");
    assert_eq!(again["archived"], json!([]), "call {number}: {again:#}");
    let list = one.run(&["member", "list", "--json"], &[]).ended_with(0);
    assert_eq!(list.json()["members"], json!([]), "call {number}");
    let suspensions = one.run(&["status", "--json"], &[]).ended_with(0).json();
    assert_eq!(
        suspensions["suspensions"]["members"],
        Value::Null,
        "call {number}: {suspensions:#}"
    );

    // A destruction makes no calls to the Catalog API.
    if side == 1 {
        return [first, false];
    }
    let destroy = || one.run(&["destroy", "--yes", "--json"], &variables);
    let (second, _) = killed(proxy, &mark, number, destroy);
    let accounts = one.accounts.each_ref().map(String::as_str);
    let runtime = Runtime::new().unwrap();
    let left = runtime.block_on(left(local.text("endpoint"), &accounts));
    assert!(left.is_empty(), "call {number}: {left:#?}");
    [first, second]
}

#[test]
fn a_removal_that_is_killed_with_its_nth_call_ends_the_same_when_it_is_run_again() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let runtime = Runtime::new().unwrap();
    let code = code(&local);
    let proxies = ["endpoint", "catalog_endpoint"].map(|name| {
        let address = local.text(name).trim_start_matches("http://");
        let upstream: SocketAddr = address.parse().unwrap();
        let proxy = runtime.block_on(Proxy::start(upstream)).unwrap();
        proxy.allow_kills_below(std::process::id());
        proxy
    });
    for side in [0, 1] {
        let next = AtomicUsize::new(1);
        let ended = std::thread::scope(|scope| {
            let sweep = || {
                let mut most = [0, 0];
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    assert!(number <= CALLS[side], "it does not reach the end: {most:?}");
                    let was = interrupted(&local, (&proxies[side], side), &code, number);
                    for (most, was) in most.iter_mut().zip(was) {
                        *most = if was { number } else { *most };
                    }
                    if was == [false; 2] {
                        return most;
                    }
                }
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(sweep)).collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap());
            ended.collect::<Vec<_>>()
        });
        let most = |which: usize| ended.iter().map(|most| most[which]).max().unwrap();
        println!(
            "a removal makes {} calls, a destruction {}",
            most(0),
            most(1)
        );
        assert!(most(0) >= AT_LEAST[side], "{ended:?}");
    }
}

#[test]
fn a_removal_checks_everything_before_its_first_step_and_frees_the_audience() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let code = code(&local);
    let one = Installation::new(&local, &code, '1', 1);
    let before = one.experience();
    let clients = Clients::new(local.text("endpoint"));
    let runtime = Runtime::new().unwrap();
    let protect = |account: &str, stack: &str, wanted: bool| {
        let client = aws_sdk_cloudformation::Client::new(&clients.config(account));
        let call = client
            .update_termination_protection()
            .stack_name(stack)
            .enable_termination_protection(wanted);
        runtime.block_on(call.send()).unwrap();
    };
    let unchanged = || {
        assert_eq!(one.experience(), before);
        let list = one.run(&["member", "list", "--json"], &[]).ended_with(0);
        let member = &list.json()["members"][0];
        assert_eq!(
            (&member["member"], &member["suspended"]),
            (&json!("x"), &Value::Null)
        );
    };
    let [management, member] = one.accounts.each_ref().map(String::as_str);
    let access = format!("{}-member-access-{member}", one.name);
    let stack = format!("{}-member", one.name);
    for (account, stack) in [(management, &access), (member, &stack)] {
        protect(account, stack, true);
        let refused = one.remove(&[]).ended_with(1);
        refused.tells(&[
            stack,
            "protected against deletion",
            "update-termination-protection",
        ]);
        unchanged();
        protect(account, stack, false);
    }

    let sqs = aws_sdk_sqs::Client::new(&clients.config(member));
    let queue = format!("{}-changes-dlq", one.name);
    let url = runtime.block_on(sqs.get_queue_url().queue_name(queue).send());
    let url = url.unwrap().queue_url.unwrap();
    let send = sqs.send_message().queue_url(&url).message_body("{}");
    runtime.block_on(send.send()).unwrap();
    one.remove(&[]).ended_with(1).tells(&["would be lost"]);
    unchanged();
    runtime
        .block_on(sqs.purge_queue().queue_url(&url).send())
        .unwrap();

    let removed = one.remove(&[]).ended_with(0).json();
    assert_eq!(removed["disassociated"], json!([one.experience]));
    assert_eq!(one.experience(), json!([false, true, []]));
    // Another experience can have the organization.
    let bootstrap = [
        "member",
        "bootstrap",
        "--account",
        member,
        "--profile",
        "new",
        "--experience-name",
        "Next",
        "--json",
    ];
    let next = one.run(&bootstrap, &[]).ended_with(0).json();
    assert_ne!(next["experience"], json!(one.experience));

    let stack = format!("{}-management", one.name);
    protect(management, &stack, true);
    let destroy = ["destroy", "--yes"];
    let refused = one.run(&destroy, &[]).ended_with(1);
    refused.tells(&["protected against deletion"]);
    protect(management, &stack, false);
}

#[test]
fn an_audience_is_taken_out_also_of_an_archived_experience() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let act = |verb: &str, more: &[&str]| {
        let own = ["experience", verb, "--json", "--profile", "latam"];
        local.run(&[&own, more].concat())
    };
    let changed = |answer: Answer| answer.ended_with(0).json()["changed"].clone();
    let made = act("create", &["Old"]).ended_with(0).json();
    let old = made["experience"].as_str().unwrap().to_owned();
    let of_old = ["--experience", old.as_str()];
    let organization = json!(["o-944444444444"]);
    act("associate", &of_old).ended_with(0);
    act("enable", &[&of_old[..], &["--yes"]].concat()).ended_with(0);
    let asked = act("disassociate", &of_old).ended_with(5);
    asked.tells(&["is enabled", "o-944444444444", "--yes"]);
    let archived = act("archive", &[&of_old[..], &["--disable"]].concat()).ended_with(0);
    archived.tells(&["experience disassociate --experience"]);
    assert_eq!(archived.json()["principals"], organization);

    // A new one is refused with what to do, or it asks.
    let bootstrap = |more: &[&str]| {
        let command = [
            "member",
            "bootstrap",
            "--account",
            LATAM,
            "--profile",
            "latam",
            "--experience-name",
            "New",
            "--json",
        ];
        local.run(&[&command, more].concat())
    };
    let asked = bootstrap(&[]).ended_with(5);
    asked.tells(&["o-944444444444", &old, "archived", "--release-archived"]);
    let new = bootstrap(&["--release-archived"]).ended_with(0).json();
    assert_eq!(new["principals"], organization);
    let all = act("list", &[]).ended_with(0).json();
    let shown = |id: &Value| {
        let mut all = all["experiences"].as_array().unwrap().iter();
        let one = all.find(|one| one["experience"] == *id).unwrap();
        (one["archived"].clone(), one["principals"].clone())
    };
    assert_eq!(shown(&json!(old)), (json!(true), json!([])));
    assert_eq!(shown(&new["experience"]), (json!(false), organization));

    let of_new = ["--experience", new["experience"].as_str().unwrap()];
    assert_eq!(changed(act("disassociate", &of_new)), json!(true));
    assert_eq!(changed(act("disassociate", &of_new)), json!(false));
}
