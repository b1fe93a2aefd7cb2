//! Tables of 30 members with real products: none is wider than its screen, and no word of one is broken.

use std::fmt::Write as _;

use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::records::{LinkState, ListEdit};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use serde_json::{Value, json};

use crate::ledger::{NOON, Table, ended, hold, link, run};
use crate::setup::{Answer, FakeAws, Home};

pub(crate) const MEMBERS: usize = 30;
/// The screen of the tests.
const COLUMNS: usize = 80;
const MANAGEMENT: &str = "exp-4s8kd0qmw1x2y";
const POLICY: &str = "procpolicy-4s8kd0qmw1x2y";
const ALICE: &str = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Operators_0123456789abcdef/alice@example.com";
const TITLE: &str = "Anthropic Claude 3.5 Sonnet v2 (Amazon Bedrock Edition)";

/// Times as people have them.
const LOCAL: [(&str, &str); 1] = [("PMP_SYNC_UTC", "false")];

/// Real products: ids of both forms, and the names that AWS Marketplace shows.
fn products() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../local/data/products.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).filter_map(|row| row.split_once(','));
    let products: Vec<_> = rows
        .map(|(id, title)| (id.to_owned(), title.trim_matches('"').to_owned()))
        .collect();
    assert!(products.len() >= MEMBERS);
    products
}

/// A product for each member, in turn.
fn product(number: usize) -> String {
    let all = products();
    all[number % all.len()].0.clone()
}

/// Long names, as organizations have them.
pub(crate) fn member(number: usize) -> String {
    format!("emea-finance-{number:02}")
}

fn account(number: usize) -> String {
    format!("2222222222{number:02}")
}

fn experience(number: usize) -> String {
    format!("exp-9d1kq27hs{number:04}")
}

pub(crate) fn lane(number: usize) -> LaneId {
    let lane = format!("{}/{}", account(number), experience(number));
    lane.parse().unwrap()
}

pub(crate) fn configuration() -> String {
    let mut text = "schema = 1\n".to_owned();
    for number in 0..MEMBERS {
        let (name, account) = (member(number), account(number));
        let _ = write!(
            text,
            "[[member]]\nname = \"{name}\"\naccount = \"{account}\"\nexternal_id = \"of-{name}\"\n"
        );
        let experience = experience(number);
        let _ = write!(
            text,
            "[[link]]\nmanagement_experience = \"{MANAGEMENT}\"\nmember = \"{name}\"\nmember_experience = \"{experience}\"\nmode = \"mirror\"\n"
        );
    }
    text
}

/// A ledger in which each member has everything that a table shows.
fn ledger() -> Table {
    let mut table = Table::with_config(&configuration());
    for (id, title) in products() {
        table.put_listing(&id, &title, "prodview-abcdefghijklm");
    }
    let mut record = ended(9, "sync-requested", None, RunStatus::Partial);
    record.requests[0].requester = Some(ALICE.to_owned());
    record.totals.links = MEMBERS;
    record.totals.allow = 12_345;
    record.totals.deny = 678;
    table.put_run(&record);
    let mut other = ended(8, "management-change-set", Some("cs-1"), RunStatus::Held);
    other
        .requests
        .extend(ended(7, "settled", None, RunStatus::Held).requests);
    table.put_run(&other);
    for number in 0..MEMBERS {
        let (lane, product) = (lane(number), product(number));
        table.put_lane(&lane, &member(number));
        let mut state = LinkState {
            schema: 1,
            hold: Some(hold(9)),
            frozen_since: Some(NOON.parse().unwrap()),
            ..LinkState::default()
        };
        let edited = (product.parse().unwrap(), NOON.parse().unwrap());
        state.edited.extend([edited]);
        table.put_link_state(&lane, &state);
        let mut record = link(9, LinkStatus::Held);
        record.member = member(number).parse().unwrap();
        record.account = lane.account.clone();
        record.lane = Some(lane.clone());
        record.edited = vec![product.parse().unwrap()];
        record.edited_since = Some(NOON.parse().unwrap());
        table.put_link(&record);
        let request = format!("req-{number:013}");
        let asked = json!({
            "schema": 1, "rev": 1, "account": account(number), "request": request, "state": "open",
            "product": product, "title": TITLE, "manufacturer": "Anthropic", "experience": experience(number),
            "requester": format!("arn:aws:sts::{}:assumed-role/Developers/ada.lovelace@example.com", account(number)),
            "requested_at": "2099-01-01T00:00:00Z", "recorded_at": "2099-01-01T00:00:00Z",
        });
        table.put(
            &format!("PRODUCT_REQUESTS#{}", account(number)),
            &request,
            &asked,
        );
        table.put(
            &format!("RUN#{}", run(9)),
            &format!("DEAD#{number}"),
            &letter(number),
        );
    }
    let edit: ListEdit = serde_json::from_value(json!({
        "schema": 1, "edit": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "management_experience": MANAGEMENT,
        "command": "import", "requester": ALICE, "reason": "the yearly review of all contracts with suppliers",
        "status": "done", "allowed": 12_345, "denied": 678, "change_sets": ["cs-1"], "at": NOON,
    }))
    .unwrap();
    table.put("EDITS", "01ARZ3NDEKTSV4RRFFQ69G5FAV", &edit);
    let act = json!({
        "schema": 1, "act": "01ARZ3NDEKTSV4RRFFQ69G5FAW", "kind": "suspended", "by": ALICE, "at": NOON,
        "reason": "the auditors look at the contracts of the finance department",
        "scope": { "members": [member(7)] },
    });
    table.put("EDITS", "01ARZ3NDEKTSV4RRFFQ69G5FAW", &act);
    let version = json!({
        "schema": 1, "version": 8, "text": configuration(), "applied_at": NOON, "origin": "member_add",
        "requester": ALICE, "reason": "the subsidiary in Nuremberg joins", "summary": "adds the member emea-finance-07",
    });
    table.put("CONFIG", "v#00000008", &version);
    table
}

fn letter(number: usize) -> Value {
    json!({
        "schema": 1, "id": format!("{number:08}-90ab"), "member": member(number),
        "lane": { "account": account(number), "experience": experience(number) },
        "product": product(number), "action": "deny", "sent_by": run(8), "reason": "quarantined",
        "attributes": { "error_code": "INCOMPATIBLE_PRODUCT" }, "outcome": "reissued",
        "why": "it is wanted, and the service may take it now", "at": NOON,
    })
}

fn preview() -> Value {
    let links = (0..MEMBERS).map(|number| {
        json!({
            "member": member(number), "experience": experience(number), "decision": "held",
            "account": account(number), "management_experience": MANAGEMENT, "mode": "mirror", "plan_hash": null,
            "unchecked": 0, "allow": [product(number)], "deny": ["prod-gone"], "removals": 1, "fewest_change_sets": 1,
            "left_alone": [
                { "product": product(number), "wanted": "allow", "standing": "denied", "reason": "protected" },
            ],
            "contradictory": [], "edited": [product(number)], "edited_since": NOON,
            "held_for": hold(1).reasons, "fault": null,
        })
    });
    json!({ "schema": 1, "config_version": 7, "links": links.collect::<Vec<_>>() })
}

fn why() -> Value {
    let links = (0..MEMBERS).map(|number| {
        json!({
            "member": member(number), "account": account(number), "experience": experience(number),
            "management_experience": MANAGEMENT, "mode": "mirror",
            "answers": [{
                "product": product(0), "desired": "allowed", "standing": "denied", "wanted": "allow",
                "why": {
                    "answer": "held", "reasons": [{ "guard": "most-removals", "count": 60, "limit": 50 }],
                    "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "since": NOON,
                    "approve": {
                        "command": "approve", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                        "experience": experience(number), "plan_hash": "0".repeat(64),
                    },
                },
            }],
        })
    });
    json!({ "schema": 1, "config_version": 7, "links": links.collect::<Vec<_>>() })
}

fn letters() -> Value {
    let letters = (0..MEMBERS).map(|number| json!({ "letter": letter(number), "body": "{}" }));
    json!({ "schema": 1, "letters": letters.collect::<Vec<_>>(), "faults": [] })
}

/// The catalog: experiences with long names, one policy, one audience.
fn entity(id: &str) -> (&'static str, Value) {
    if id.starts_with("procpolicy") {
        let statement = |effect: &str, products: &[(String, String)]| {
            let resources = products.iter().map(|(id, _)| {
                json!({ "Type": "Product", "Ids": [id], "Notes": "agreed with finance, ticket 4711" })
            });
            json!({ "Effect": effect, "Resources": resources.collect::<Vec<_>>() })
        };
        let all = products();
        let (allow, deny) = all.split_at(all.len() - 5);
        let details = json!({ "Statements": [statement("Allow", allow), statement("Deny", deny)] });
        return ("ProcurementPolicy@1.0", details);
    }
    if id.starts_with("audience") {
        let principals = [
            "o-abcdefghij",
            "ou-ab12-cdefgh34",
            "222222222222",
            "333333333333",
        ];
        let details = json!({ "ExperienceId": experience(0), "Principals": principals });
        return ("Audience@1.0", details);
    }
    let details = json!({
        "Name": "Approved products of finance and its subsidiaries", "Status": "Enabled",
        "ProcurementPolicies": [POLICY],
    });
    ("Experience@1.0", details)
}

fn entities(kind: &str) -> Vec<(String, String)> {
    let ids: Vec<_> = match kind {
        "Experience" => (0..MEMBERS).map(experience).collect(),
        _ => vec!["audience-1".to_owned()],
    };
    ids.iter().map(|id| (id.clone(), id.clone())).collect()
}

fn aws(answer: &Value) -> FakeAws {
    FakeAws::answering(ledger(), answer).with_catalog(entity, entities)
}

fn shown(aws: &FakeAws, home: &Home, arguments: &[&str], more: &[(&str, &str)]) -> Answer {
    let variables = [&aws.variables()[..], &LOCAL, more].concat();
    home.run_with(arguments, &variables)
}

/// The lines of the tables of an answer: from each line of names in capitals to the next empty line.
fn table_lines(text: &str) -> Vec<&str> {
    let is_head = |line: &str| {
        let words = line.split_whitespace().collect::<Vec<_>>();
        words.len() > 1 && !line.chars().any(char::is_lowercase)
    };
    let mut in_table = false;
    let lines = text.lines().filter(|line| {
        let is_note = line.is_empty()
            || *line == "WHAT TO DO"
            || line.contains("PMS-")
            || line.starts_with("error: ");
        in_table = (in_table || is_head(line)) && !is_note;
        in_table
    });
    lines.collect()
}

/// Each command that prints a table, the producer's answer, and how many rows at least it has.
fn cases() -> Vec<(Vec<&'static str>, Value, usize)> {
    let last = vec!["status", "--run", "last"];
    vec![
        (vec!["status"], Value::Null, MEMBERS),
        (last, Value::Null, MEMBERS),
        (vec!["history"], Value::Null, 2),
        (vec!["history", "last"], Value::Null, MEMBERS),
        (vec!["history", "--edits"], Value::Null, 1),
        (
            vec!["history", "--since", "2026-01-01", "--limit", "200"],
            Value::Null,
            MEMBERS,
        ),
        (
            vec![
                "history",
                "--member",
                "emea-finance-07",
                "--since",
                "2026-01-01",
            ],
            Value::Null,
            3,
        ),
        (
            vec![
                "history",
                "--product",
                "prod-gone",
                "--since",
                "2026-01-01",
                "--limit",
                "60",
            ],
            Value::Null,
            MEMBERS,
        ),
        (
            vec![
                "history",
                "--by",
                "alice",
                "--since",
                "2026-01-01",
                "--limit",
                "200",
            ],
            Value::Null,
            MEMBERS,
        ),
        (vec!["plan"], preview(), MEMBERS),
        (vec!["why", "prod-m5ilt4siql27k"], why(), MEMBERS),
        (vec!["drift"], Value::Null, MEMBERS),
        (vec!["dlq", "list"], letters(), MEMBERS),
        (vec!["requests", "--all"], Value::Null, MEMBERS),
        (vec!["member", "list"], Value::Null, MEMBERS),
        (vec!["product", "list"], Value::Null, MEMBERS),
        (vec!["experience", "list"], Value::Null, MEMBERS),
        (vec!["doctor"], Value::Null, 5),
        (
            vec!["product", "deny", "prod-m5ilt4siql27k"],
            preview(),
            MEMBERS,
        ),
    ]
}

#[test]
fn no_table_of_any_command_is_wider_than_80_columns() {
    let mut complaints = Vec::new();
    for (arguments, answer, rows) in cases() {
        for more in [&[][..], &["--utc"]] {
            let (home, aws) = (Home::new(), aws(&answer));
            let arguments = [&arguments[..], more].concat();
            let answer = shown(
                &aws,
                &home,
                &arguments,
                &[("COLUMNS", "80"), ("TZ", "CET-1CEST")],
            );
            let text = format!("{}\n{}", answer.stdout, answer.stderr);
            let lines = table_lines(&text);
            if lines.len() <= rows {
                complaints.push(format!("{arguments:?} has no table: {answer:?}"));
            }
            let wide = lines.iter().filter(|line| line.chars().count() > COLUMNS);
            let wide: Vec<_> = wide.copied().collect();
            if !wide.is_empty() {
                complaints.push(format!("{arguments:?}:\n{}", wide.join("\n")));
            }
            for id in ["emea-finance-07", "exp-9d1kq27hs0007", "prod-ozonys2hmmpeu"] {
                let is_whole = text.contains(id);
                let begins = text.contains(&id[..id.len() - 3]);
                if begins && !is_whole {
                    complaints.push(format!("{arguments:?} breaks {id}: {text}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn in_a_pipe_each_row_is_one_line_without_colours_and_with_every_column() {
    let (home, aws) = (Home::new(), aws(&preview()));
    let answer = shown(&aws, &home, &["plan"], &[]);
    let lines = table_lines(&answer.stdout);
    assert_eq!(lines.len(), 1 + MEMBERS, "{answer:?}");
    assert!(lines[0].contains("CHANGE SETS  ") && lines[0].contains("EDITED OUTSIDE"));
    assert!(!answer.stdout.contains('\u{1b}'));
}

#[test]
fn colours_are_shown_where_they_are_forced_and_never_against_no_color() {
    let (home, aws) = (Home::new(), aws(&preview()));
    let is_painted = |more: &[(&str, &str)]| {
        let answer = shown(&aws, &home, &["plan"], more);
        answer.stdout.contains("\u{1b}[33mheld\u{1b}[0m")
    };
    assert!(is_painted(&[("CLICOLOR_FORCE", "1")]));
    for more in [
        &[][..],
        &[("TERM", "xterm-256color")],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
        &[("CLICOLOR_FORCE", "0")],
    ] {
        assert!(!is_painted(more), "{more:?}");
    }
}

#[test]
fn times_are_local_with_their_age_and_in_utc_if_that_is_asked_for() {
    let (home, aws) = (Home::new(), aws(&Value::Null));
    let told = |arguments: &[&str], zone: &str| {
        let answer = shown(&aws, &home, arguments, &[("TZ", zone)]);
        format!("{}\n{}", answer.stdout, answer.stderr)
    };
    let local = told(&["history", "last"], "EST5EDT");
    assert!(
        local.contains("began       2026-01-01 07:00:00 EST ("),
        "{local}"
    );
    assert!(local.contains(" ago)") || local.contains("in "), "{local}");
    let utc = told(&["history", "last", "--utc"], "EST5EDT");
    assert!(utc.contains("began       2026-01-01T12:00:00Z\n"), "{utc}");
    // What programs read is the same everywhere.
    let json = told(&["status", "--json"], "EST5EDT");
    assert!(json.contains("2026-01-01T12:00:00Z"), "{json}");
    assert_eq!(json, told(&["status", "--json"], "UTC"));
}

#[test]
fn a_reader_that_goes_ends_every_command_quietly() {
    for (arguments, answer, _) in cases() {
        for json in [false, true] {
            let (home, aws) = (Home::new(), aws(&answer));
            let arguments = [&arguments[..], if json { &["--json"] } else { &[][..] }].concat();
            let answer = home.run_unread(&arguments, &aws.variables());
            // What goes to stderr alone needs no reader of stdout.
            let is_asked = arguments[0] == "product" && arguments[1] == "deny";
            if !is_asked {
                assert_eq!(answer.code, Some(141), "{arguments:?}: {answer:?}");
            }
            for word in ["Broken pipe", "panicked", "error: stdout"] {
                assert!(!answer.stderr.contains(word), "{arguments:?}: {answer:?}");
            }
        }
    }
}

#[test]
fn what_was_seen_completes_a_command_line() {
    let (home, aws) = (Home::new(), aws(&Value::Null));
    let complete = |words: &[&str], variables: &[(&str, &str)]| {
        let index = (words.len() - 1).to_string();
        let asked = [
            ("PMP_SYNC_COMPLETE", "fish"),
            ("_CLAP_COMPLETE_INDEX", &index),
        ];
        let variables = [&asked[..], variables].concat();
        let answer = home.run_with(&[&["--"], words].concat(), &variables);
        assert_eq!(
            (answer.code, answer.stderr.as_str()),
            (Some(0), ""),
            "{answer:?}"
        );
        answer.stdout
    };
    let member = ["pmp-sync", "plan", "--member", ""];
    assert_eq!(complete(&member, &[]), "", "nothing is known yet");
    aws.run(&home, &["status"]).ended_with(0);
    let told = complete(&member, &[]);
    assert_eq!(told.matches("emea-finance-").count(), MEMBERS, "{told}");
    let told = complete(&["pmp-sync", "history", "--member", ""], &[]);
    assert_eq!(told.matches("emea-finance-").count(), MEMBERS, "{told}");
    let told = complete(
        &["pmp-sync", "plan", "--experience", "exp-9d1kq27hs0007"],
        &[],
    );
    assert!(
        told.contains("exp-9d1kq27hs0007\tof emea-finance-07"),
        "{told}"
    );
    let source = ["pmp-sync", "product", "list", "--management-experience", ""];
    let told = complete(&source, &[]);
    assert_eq!(
        told.matches("of the management account").count(),
        1,
        "{told}"
    );
    assert!(!told.contains("emea-finance-"), "{told}");
    let told = complete(&["pmp-sync", "history", "01"], &[]);
    assert!(told.contains(&run(9).to_string()), "{told}");
    // Another installation has other members.
    let other = ["pmp-sync", "--name", "other", "plan", "--member", ""];
    assert_eq!(complete(&other, &[]), "");
    // A cache that cannot be read is nothing to complain of.
    let broken = [("XDG_CACHE_HOME", "/dev/null"), ("HOME", "")];
    assert_eq!(complete(&member, &broken), "");
}

#[test]
fn ages_alone_are_no_change_to_one_who_watches_in_a_pipe() {
    let (home, aws) = (Home::new(), aws(&Value::Null));
    let watch = ["status", "--watch", "--interval", "1s"];
    let variables = [&aws.variables()[..], &LOCAL].concat();
    let watch = home.start(&watch, &variables);
    crate::setup::until("it has looked twice", || aws.looks() >= 2);
    watch.signal("-INT");
    let answer = watch.answer().ended_with(130);
    assert!(!answer.stdout.contains(" ago"), "{answer:?}");
}
