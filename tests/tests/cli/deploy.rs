//! Onboarding and removal by the command, from an account in which nothing is deployed; interrupted with
//! every call, and run again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pmp_sync_local::embedded::Clients;
use pmp_sync_local::proxy::{Filter, Moment, Proxy};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::setup::{Answer, Local, control, look};

const LATAM: &str = "444444444444";
/// More calls to AWS than a deployment of a member makes.
const CALLS: usize = 56;
/// Deployments at the same time.
const AT_ONCE: usize = 4;

fn deploy(local: &Local, code: &str, more: &[&str]) -> Answer {
    let command = [
        "deploy",
        "member",
        "--account",
        LATAM,
        "--json",
        "--code",
        code,
    ];
    local.run(&[&command, more].concat())
}

fn outcomes(answer: &Answer) -> Vec<(String, String)> {
    let json = answer.json();
    let stacks = json["stacks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    stacks
        .map(|stack| (text(&stack["stack"]), text(&stack["outcome"])))
        .collect()
}

fn expected(outcome: &str) -> Vec<(String, String)> {
    [
        format!("pmp-sync-member-access-{LATAM}"),
        "pmp-sync-member".to_owned(),
    ]
    .map(|stack| (stack, outcome.to_owned()))
    .into()
}

#[test]
fn an_empty_account_becomes_a_member_and_an_empty_account_again() {
    let local = Local::up(&["--change-set-seconds", "0.2"]);
    let code = Local::folder_of_binaries();
    refusals(&local, code);

    let begun = Instant::now();
    let made = ["--profile", "latam", "--yes", "--bootstrap"];
    let made = deploy(&local, code, &made).ended_with(0);
    let took = begun.elapsed();
    assert_eq!(outcomes(&made), expected("created"));
    made.tells(&["Add", "AWS::Lambda::Function"]);
    assert!(!made.stdout.contains("external_id"), "{made:#?}");
    let json = made.json();
    let next = json["next"].as_str().unwrap();
    assert_eq!(next, format!("pmp-sync member add NAME --account {LATAM}"));
    let experience = json["bootstrapped"]["experience"].as_str().unwrap();

    local
        .run(&[
            "local",
            "status",
            "--state",
            local.state().to_str().unwrap(),
        ])
        .ended_with(0)
        .tells(&["latam: account", "the stack pmp-sync-member is deployed"]);

    let begun = Instant::now();
    let add = [
        "member",
        "add",
        "latam",
        "--account",
        LATAM,
        "--mode",
        "mirror",
        "--json",
    ];
    local.run(&add).ended_with(0);
    let added = begun.elapsed();
    let wanted = allowed(&local, local.text("management_experience"));
    assert!(!wanted.is_empty());
    assert_eq!(allowed(&local, experience), wanted, "it is synced");

    // What stands is left as it is, also where nobody can be asked.
    let again = deploy(&local, code, &["--profile", "latam"]).ended_with(0);
    assert_eq!(outcomes(&again), expected("unchanged"));

    // A parameter is changed and stays so.
    let suspended = [
        "--profile",
        "latam",
        "--yes",
        "--parameter",
        "MemberMode=suspended",
    ];
    let suspended = deploy(&local, code, &suspended).ended_with(0);
    assert_eq!(outcomes(&suspended)[1].1, "updated");
    let again = deploy(&local, code, &["--profile", "latam", "--yes"]).ended_with(0);
    assert_eq!(outcomes(&again), expected("unchanged"));

    // The code beside the command is what was deployed.
    let management = ["deploy", "management", "--json", "--yes"];
    let same = local.run(&management).ended_with(0);
    assert_eq!(outcomes(&same)[0].1, "unchanged");
    let other = local.folder("other");
    let mut producer = std::fs::read(Path::new(code).join("pmp-sync-producer")).unwrap();
    producer.push(0);
    std::fs::write(other.join("pmp-sync-producer"), producer).unwrap();
    let other = [&management[..], &["--code", other.to_str().unwrap()]].concat();
    let updated = local.run(&other).ended_with(0);
    assert_eq!(
        outcomes(&updated)[0].1,
        "updated",
        "the code has another key"
    );
    let again = local.run(&other).ended_with(0);
    assert_eq!(outcomes(&again)[0].1, "unchanged");
    println!("deploy member took {took:?}, member add {added:?}");
    removal(&local, experience);
}

/// What the experience allows, as the emulator has it.
fn allowed(local: &Local, experience: &str) -> BTreeSet<String> {
    let lists = look(local, &format!("/_control/experiences/{experience}/lists"));
    let allow = lists["allow"].as_array().unwrap().iter();
    allow.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Everything that was deployed goes again, and nothing that is billed is left.
fn removal(local: &Local, experience: &str) {
    let refused = local.run(&["destroy", "--yes"]).ended_with(1);
    refused.tells(&["apac, emea, latam", "pmp-sync member remove latam"]);
    let remove = |name: &'static str, more: &[&str]| {
        local.run(&[&["member", "remove", name, "--json"], more].concat())
    };
    let no_credentials = remove("latam", &["--experience", "archive", "--yes"]).ended_with(5);
    no_credentials.tells(&[LATAM, "--profile"]);
    let asked = remove("latam", &["--experience", "leave", "--profile", "latam"]).ended_with(5);
    asked.tells(&["this removes latam", experience, "go on governing", "--yes"]);

    // Something is at work on it: the lists change right before.
    let source = local.text("management_experience");
    let mut allow = allowed(local, source);
    let deny = allow.pop_first().unwrap();
    let path = format!("/_control/experiences/{source}/lists");
    let lists = serde_json::json!({ "allow": allow, "deny": [deny] });
    control(local, "PUT", &path, &lists);
    local.run(&["sync"]).ended_with(0);
    let archive = ["--experience", "archive", "--profile", "latam", "--yes"];
    let gone = remove("latam", &archive).ended_with(0).json();
    let text = gone["deleted"].to_string();
    for part in [
        "member latam",
        "stack pmp-sync-member\"",
        "queue",
        "bucket",
        "member-access",
    ] {
        assert!(text.contains(part), "{part}: {gone:#}");
    }
    assert_eq!(gone["archived"], serde_json::json!([experience]));
    let again = remove("latam", &archive).ended_with(0).json();
    assert_eq!(again["deleted"], serde_json::json!([]), "{again:#}");

    // Without credentials the role goes, and the rest is told.
    let told = remove("emea", &["--experience", "leave", "--yes"]).ended_with(0);
    let commands = told.json()["commands"].to_string();
    assert!(
        commands.contains("delete-stack --stack-name pmp-sync-member"),
        "{commands}"
    );
    let leave = |name: &'static str| ["--experience", "leave", "--profile", name, "--yes"];
    remove("emea", &leave("emea")).ended_with(0);
    remove("apac", &leave("apac")).ended_with(0);

    local
        .run(&["destroy"])
        .ended_with(5)
        .tells(&["the ledger", "--yes"]);
    local.run(&["destroy", "--yes"]).ended_with(0);
    local
        .run(&["destroy", "--yes"])
        .ended_with(0)
        .tells(&["nothing was there"]);
    let accounts = ["111111111111", "222222222222", "333333333333", LATAM];
    let runtime = Runtime::new().unwrap();
    let left = runtime.block_on(left(local.text("endpoint"), &accounts));
    assert!(left.is_empty(), "{left:#?}");
}

/// What the emulator still has of what pmp-sync deploys and AWS bills.
pub(crate) async fn left(endpoint: &str, accounts: &[&str]) -> Vec<String> {
    let clients = Clients::new(endpoint);
    let mut left = Vec::new();
    for account in accounts {
        let config = clients.config(account);
        let mut note = |what: &str, names: Vec<String>| {
            left.extend(
                names
                    .into_iter()
                    .map(|name| format!("{account}: {what} {name}")),
            );
        };
        let answer = aws_sdk_dynamodb::Client::new(&config)
            .list_tables()
            .send()
            .await;
        note("table", answer.unwrap().table_names().to_vec());
        let answer = aws_sdk_sqs::Client::new(&config).list_queues().send().await;
        note("queue", answer.unwrap().queue_urls().to_vec());
        let answer = aws_sdk_s3::Client::new(&config).list_buckets().send().await;
        let buckets = answer.unwrap();
        let names = buckets.buckets().iter().filter_map(|one| one.name());
        note("bucket", names.map(str::to_owned).collect());
        let answer = aws_sdk_lambda::Client::new(&config)
            .list_functions()
            .send()
            .await;
        let functions = answer.unwrap();
        let names = functions
            .functions()
            .iter()
            .filter_map(|one| one.function_name());
        note("function", names.map(str::to_owned).collect());
        let answer = aws_sdk_scheduler::Client::new(&config)
            .list_schedules()
            .send()
            .await;
        let schedules = answer.unwrap();
        let names = schedules.schedules().iter().filter_map(|one| one.name());
        note("schedule", names.map(str::to_owned).collect());
        let answer = aws_sdk_eventbridge::Client::new(&config)
            .list_event_buses()
            .send()
            .await;
        let buses = answer.unwrap();
        let names = buses.event_buses().iter().filter_map(|one| one.name());
        note(
            "bus",
            names
                .filter(|name| *name != "default")
                .map(str::to_owned)
                .collect(),
        );
        let answer = aws_sdk_sns::Client::new(&config).list_topics().send().await;
        let topics = answer.unwrap();
        let names = topics.topics().iter().filter_map(|one| one.topic_arn());
        note("topic", names.map(str::to_owned).collect());
        let answer = aws_sdk_cloudformation::Client::new(&config)
            .describe_stacks()
            .send()
            .await;
        let stacks = answer.unwrap();
        let there = stacks.stacks().iter().filter(|one| {
            one.stack_status()
                .is_some_and(|status| status.as_str() != "DELETE_COMPLETE")
        });
        let names = there.filter_map(|one| one.stack_name());
        note("stack", names.map(str::to_owned).collect());
    }
    left
}

/// Nothing is made by a command that is refused.
fn refusals(local: &Local, code: &str) {
    let wrong = deploy(local, code, &["--profile", "emea", "--yes"]).ended_with(5);
    wrong.tells(&["are of account 222222222222", LATAM, "--profile"]);
    let default = deploy(local, code, &["--yes"]).ended_with(5);
    default.tells(&["the default credentials are of account 111111111111"]);
    let nobody = deploy(local, code, &["--profile", "nobody", "--yes"]).ended_with(1);
    nobody.tells(&["in profile nobody", "--profile"]);
    let absent = deploy(
        local,
        code,
        &["--profile", "latam", "--name", "other", "--yes"],
    );
    absent.ended_with(5).tells(&[
        "other-management",
        "pmp-sync --name other deploy management",
    ]);
    let parameter = ["--profile", "latam", "--parameter", "Mode=x", "--yes"];
    let parameter = deploy(local, code, &parameter).ended_with(5);
    parameter.tells(&["has no parameter Mode", "MemberMode"]);
    let arm = [
        "--profile",
        "latam",
        "--parameter",
        "Architecture=arm64",
        "--yes",
    ];
    if cfg!(target_arch = "x86_64") {
        let arm = deploy(local, code, &arm).ended_with(5);
        arm.tells(&["is built for x86_64", "cargo lambda build"]);
    }
    let asked = deploy(local, code, &["--profile", "latam"]).ended_with(5);
    asked.tells(&["Add", "AWS::IAM::Role", "--yes"]);
}

/// A deployment of an account of its own that is killed with its nth call, and then run again.
fn interrupted(local: &Local, proxy: &Proxy, code: &str, n: usize) -> bool {
    let account = format!("6{n:011}");
    let mark = account.clone();
    let moment = if n.is_multiple_of(2) {
        Moment::Before
    } else {
        Moment::After
    };
    let filter = Filter::any().environment(format!("SWEEP={mark}\n"));
    let rule = proxy.rules(|rules| rules.kill_after(filter, n as u64, moment));
    let file = local.file(
        &format!("config-{n}"),
        &format!("[profile new]\naws_access_key_id = {account}\naws_secret_access_key = test\n"),
    );
    let endpoint = proxy.endpoint();
    let variables = [
        ("AWS_CONFIG_FILE", file.as_str()),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("SWEEP", mark.as_str()),
    ];
    let command = [
        "deploy",
        "member",
        "--account",
        &account,
        "--profile",
        "new",
        "--code",
        code,
        "--yes",
        "--json",
        "--show-external-id",
    ];
    let first = local.run_with(&command, &variables);
    let was_killed = proxy.rules(|rules| rules.hits(rule)) > 0;
    proxy.rules(|rules| rules.remove(rule));
    assert_eq!(first.code.is_none(), was_killed, "call {n}: {first:#?}");
    let second = local.run_with(&command, &variables).ended_with(0);
    // Whatever the first has left, nothing is left to do after the second.
    let third = local.run_with(&command, &variables).ended_with(0);
    let statuses = |answer: &Answer| {
        let json = answer.json();
        let stacks = json["stacks"].as_array().unwrap().clone();
        let status = |stack: &Value| stack["status"].as_str().unwrap().to_owned();
        let ids = (json["external_id"].clone(), json["code"].clone());
        (stacks.iter().map(status).collect::<Vec<_>>(), ids)
    };
    assert_eq!(statuses(&second), statuses(&third), "call {n}");
    assert_eq!(
        statuses(&third).0,
        ["CREATE_COMPLETE"; 2],
        "call {n}: {second:#?}"
    );
    assert!(
        outcomes(&third)
            .iter()
            .all(|(_, outcome)| outcome == "unchanged"),
        "call {n}: {third:#?}"
    );
    was_killed
}

#[test]
fn a_deployment_that_is_killed_with_its_nth_call_ends_the_same_when_it_is_run_again() {
    let local = Local::up(&[]);
    let runtime = Runtime::new().unwrap();
    let upstream: SocketAddr = local
        .text("endpoint")
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let proxy = runtime.block_on(Proxy::start(upstream)).unwrap();
    proxy.allow_kills_below(std::process::id());
    // Any small program: it is never started here.
    let worker = std::fs::read(Path::new("/bin/true")).unwrap();
    let code = local.folder("code");
    std::fs::write(code.join("pmp-sync-worker"), worker).unwrap();
    let code = code.to_str().unwrap();
    let next = AtomicUsize::new(1);
    let killed: BTreeMap<usize, bool> = std::thread::scope(|scope| {
        let sweep = || {
            let mut killed = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n > CALLS {
                    return killed;
                }
                killed.push((n, interrupted(&local, &proxy, code, n)));
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(sweep)).collect();
        let ended = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        ended.collect()
    });
    let calls = killed.values().take_while(|killed| **killed).count();
    println!("a deployment of a member makes at least {calls} calls");
    assert!(calls >= 20, "{killed:?}");
    assert!(
        !killed[&CALLS],
        "the sweep does not reach the end: {killed:?}"
    );
}
