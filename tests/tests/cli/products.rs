//! The management list from the command line: searched, allowed, imported from a spreadsheet, exported,
//! compared; interrupted and repeated; with the fewest change sets.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setup::{Answer, Local, control, look};

#[test]
fn the_management_list_is_changed_with_the_real_command() {
    let local = Local::up(&["--ttl", "15m", "--change-set-seconds", "0.2"]);
    local.run(&["sync", "--wait"]).ended_with(0);
    a_product_is_found_allowed_by_its_name_and_reaches_every_member(&local);
    nothing_is_changed_without_consent(&local);
    three_hundred_rows_are_imported_and_again_for_nothing(&local);
    what_is_exported_is_imported_for_nothing(&local);
    what_a_guard_would_hold_is_told_before_it_is_asked(&local);
    a_bad_product_is_named_and_the_others_are_applied(&local);
    a_file_with_problems_changes_nothing_and_names_them_all(&local);
}

#[test]
fn an_import_is_killed_and_repeated_and_a_large_one_takes_the_fewest_change_sets() {
    let local = Local::up(&["--ttl", "15m", "--change-set-seconds", "0.4"]);
    a_killed_import_is_continued(&local);
    a_lock_of_somebody_else_is_waited_for(&local);
    ten_thousand_rows_are_imported_where_nine_thousand_are(&local);
}

fn product(local: &Local, arguments: &[&str]) -> Answer {
    local.run(&[&["product"], arguments, &["--json"]].concat())
}

fn list(local: &Local, experience: &str, list: &str) -> BTreeSet<String> {
    let lists = look(local, &format!("/_control/experiences/{experience}/lists"));
    let products = lists[list].as_array().unwrap().iter();
    products
        .map(|product| product.as_str().unwrap().to_owned())
        .collect()
}

fn managed(local: &Local) -> &str {
    local.text("management_experience")
}

/// The change sets of list edits.
fn sets(local: &Local) -> Vec<Value> {
    let all = look(local, "/_control/change-sets");
    let all = all.as_array().unwrap().iter();
    let ours = all.filter(|set| set["name"].as_str().unwrap().starts_with("pmp-sync-list:"));
    ours.cloned().collect()
}

fn set_lists(local: &Local, allow: &[String]) {
    let path = format!("/_control/experiences/{}/lists", managed(local));
    control(local, "PUT", &path, &json!({ "allow": allow, "deny": [] }));
}

fn made_up(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("prod-{prefix}{number:08}"))
        .collect()
}

/// A spreadsheet as Excel writes it.
fn spreadsheet(products: &[String]) -> String {
    let mut text = "\u{feff}Product ID;Product name;Status;Notes\r\n".to_owned();
    for product in products {
        let _ = write!(text, "{product};\"Something; of {product}\";Approved;\r\n");
    }
    text
}

fn a_product_is_found_allowed_by_its_name_and_reaches_every_member(local: &Local) {
    let found = product(local, &["search", "palmyra"]).ended_with(0).json();
    let offered = found["products"].as_array().unwrap();
    let palmyra = offered
        .iter()
        .find(|one| one["name"] == "Writer Palmyra X5")
        .unwrap();
    assert_eq!(palmyra["standings"], json!({ managed(local): "denied" }));
    let id = palmyra["product_id"].as_str().unwrap();
    let allow = [
        "allow",
        "Writer Palmyra X5",
        "--reason",
        "ticket 4711",
        "--yes",
    ];
    let allowed = product(local, &allow).ended_with(0);
    allowed.tells(&[
        "1 to allow, 0 to deny",
        "what a run would then do in each member",
        "emea",
        "apac",
    ]);
    let allowed = allowed.json();
    assert_eq!(allowed["allow"], json!([id]));
    let decisions = allowed["members"].as_array().unwrap().iter();
    assert!(
        decisions.clone().count() == 2
            && decisions
                .clone()
                .all(|member| member["decision"] == "commit"),
        "{allowed}"
    );
    local.run(&["sync", "--wait"]).ended_with(0);
    for member in ["emea", "apac"] {
        let experience = local.member(member)["experience"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(list(local, &experience, "allow").contains(id), "{member}");
    }
    let again = product(local, &allow).ended_with(0).json();
    assert_eq!(
        (&again["changed"], &again["change_sets"]),
        (&json!(false), &json!([]))
    );
    // Who and why are recorded, and are in AWS Marketplace, too.
    let listed = product(local, &["list", "4711"]).ended_with(0).json();
    assert_eq!(listed["products"][0]["product_id"], id);
    assert_eq!(listed["products"][0]["notes"], "ticket 4711");
    let edits = local
        .run(&["history", "--edits", "--json"])
        .ended_with(0)
        .json();
    let edit = &edits["edits"][0];
    assert_eq!(
        (&edit["edit"], &edit["status"], &edit["reason"]),
        (&allowed["edit"], &json!("done"), &json!("ticket 4711"))
    );
    assert!(
        edit["requester"].as_str().unwrap().contains("111111111111"),
        "{edit}"
    );
    local.run(&["history", "--edits"]).ended_with(0);
    product(local, &["allow", "no such thing", "--yes"])
        .ended_with(5)
        .tells(&["no product \"no such thing\"", "product search"]);
    product(local, &["allow", "AI21 Labs", "--yes"])
        .ended_with(5)
        .tells(&["AI21 Labs Jurassic-2 Mid"]);
}

fn nothing_is_changed_without_consent(local: &Local) {
    let (before, started) = (list(local, managed(local), "allow"), sets(local).len());
    let asked = product(local, &["allow", "prod-new"]).ended_with(5);
    asked.tells(&["1 to allow", "There is no terminal to ask at", "--yes"]);
    let differs = product(local, &["diff", &local.file("one.csv", "prod-new\n")]);
    assert_eq!(differs.ended_with(2).json()["allow"], json!(["prod-new"]));
    assert_eq!(
        (list(local, managed(local), "allow"), sets(local).len()),
        (before, started)
    );
}

fn three_hundred_rows_are_imported_and_again_for_nothing(local: &Local) {
    let products = made_up("imp", 300);
    let file = local.file("approved.csv", &spreadsheet(&products));
    let started = sets(local).len();
    let import = ["import", &file, "--yes", "--reason", "quarterly review"];
    let done = product(local, &import).ended_with(0).json();
    assert_eq!(
        (done["allow"].as_array().unwrap().len(), &done["changed"]),
        (300, &json!(true))
    );
    assert_eq!(sets(local).len() - started, 6);
    let allowed = list(local, managed(local), "allow");
    assert!(products.iter().all(|product| allowed.contains(product)));
    let again = product(local, &import).ended_with(0).json();
    assert_eq!(
        (&again["changed"], &again["in_place"]),
        (&json!(false), &json!(300))
    );
    assert_eq!(sets(local).len() - started, 6);
}

fn what_is_exported_is_imported_for_nothing(local: &Local) {
    for format in ["csv", "json"] {
        let exported = local
            .run(&["product", "export", "--format", format])
            .ended_with(0)
            .stdout;
        assert!(exported.contains("ticket 4711"), "{exported}");
        let file = local.file(&format!("list.{format}"), &exported);
        let same = product(local, &["import", &file, "--exact", "--yes"])
            .ended_with(0)
            .json();
        assert_eq!(same["changed"], json!(false), "{same}");
        product(local, &["diff", "--exact", &file]).ended_with(0);
    }
}

fn what_a_guard_would_hold_is_told_before_it_is_asked(local: &Local) {
    local.run(&["sync", "--wait"]).ended_with(0);
    let file = local.file("short.csv", "product_id\nprod-imp00000001\n");
    let asked = local
        .run(&["product", "import", &file, "--exact"])
        .ended_with(5);
    asked.tells(&["to deny", "held", "would remove"]);
    // The same without --exact changes nothing at all.
    local.run(&["product", "import", &file]).ended_with(0);
}

fn a_bad_product_is_named_and_the_others_are_applied(local: &Local) {
    let bad = json!({ "bad_products": { "prod-bad00000007": { "code": "INVALID_PRODUCT" } } });
    control(local, "PUT", "/_control/faults", &bad);
    let products = made_up("bad", 60);
    let file = local.file("bad.csv", &spreadsheet(&products));
    let answer = product(local, &["import", &file, "--yes"]).ended_with(4);
    answer.tells(&[
        "prod-bad00000007 was rejected by AWS Marketplace",
        "INVALID_PRODUCT",
    ]);
    let answer = answer.json();
    assert_eq!(answer["refused"][0]["product"], "prod-bad00000007");
    let allowed = list(local, managed(local), "allow");
    let missing: Vec<_> = products
        .iter()
        .filter(|product| !allowed.contains(*product))
        .collect();
    assert_eq!(missing, ["prod-bad00000007"]);
    control(local, "PUT", "/_control/faults", &json!({}));
    let edits = local
        .run(&["history", "--edits", "--json"])
        .ended_with(0)
        .json();
    assert_eq!(edits["edits"][0]["status"], "partial");
    assert_eq!(edits["edits"][0]["refused"], json!(["prod-bad00000007"]));
}

fn a_file_with_problems_changes_nothing_and_names_them_all(local: &Local) {
    let started = sets(local).len();
    // Each kind of problem at once: of the file, of names, and of the list.
    let text = "product_id,standing\nprod-a,allowed\nprod-a,denied\nno such thing,allowed\nprod-b,perhaps\nprod-c,\"allowed\n";
    let file = local.file("wrong.csv", text);
    let wrong = local
        .run(&["product", "import", &file, "--yes"])
        .ended_with(5);
    wrong.tells(&[
        "wrong.csv:3:1: prod-a is to be denied here and allowed in line 2",
        "wrong.csv:4:1: AWS Marketplace has no product",
        "wrong.csv:5:8: \"perhaps\" is here",
        "wrong.csv:6:8: the quote that begins here is not closed",
    ]);
    let text = "product_id,standing\nprod-a,allowed\nprod-a,denied\nprod-b,perhaps\n";
    let file = local.file("wrong.csv", &text.replace("prod-b,perhaps\n", ""));
    let wrong = product(local, &["import", &file, "--yes"]).ended_with(5);
    wrong.tells(&["wrong.csv:3:1: prod-a is to be denied here and allowed in line 2"]);
    assert_eq!(wrong.json()["error"]["code"], "list");
    let file = local.file("wrong.csv", text);
    let wrong = product(local, &["import", &file, "--yes"]).ended_with(5);
    wrong.tells(&["wrong.csv:4:8: \"perhaps\" is here"]);
    assert_eq!(sets(local).len(), started);
}

fn a_killed_import_is_continued(local: &Local) {
    let products = made_up("kill", 400);
    let file = local.file("kill.csv", &spreadsheet(&products));
    for is_asked_to_end in [false, true] {
        let mut killed = local
            .command(&["product", "import", &file, "--yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = sets(local).len();
        let ends = Instant::now() + Duration::from_mins(1);
        // In the middle of a change set.
        while sets(local).len() < before + 2 && Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(20));
        }
        if is_asked_to_end {
            let pid = killed.id().to_string();
            let sent = Command::new("kill").args(["-INT", &pid]).status();
            assert!(sent.unwrap().success());
        } else {
            killed.kill().unwrap();
        }
        killed.wait().unwrap();
    }
    // One that was killed says nothing any more, and is known to be interrupted five minutes later.
    let edits = local.run(&["history", "--edits", "--json"]).ended_with(0);
    let edits = &edits.json()["edits"];
    assert_eq!(
        (&edits[0]["status"], &edits[1]["status"]),
        (&json!("interrupted"), &json!("begun"))
    );
    let applied = |edit: &Value| edit["applied"]["allow"].as_u64().unwrap();
    assert!(
        applied(&edits[0]) < 400 && applied(&edits[1]) < 400,
        "{edits}"
    );
    let id = edits[0]["edit"].as_str().unwrap();
    let shown = local.run(&["history", id]).ended_with(0);
    shown.tells(&["the same command goes on"]);
    // Those of the change sets before are not in it any more.
    assert!(
        shown.stdout.contains("allow prod-kill00000120"),
        "{shown:?}"
    );
    product(local, &["import", &file, "--yes"]).ended_with(0);
    let allowed = list(local, managed(local), "allow");
    assert!(products.iter().all(|product| allowed.contains(product)));
    // Nothing was started twice: what was under way was waited for.
    assert_eq!(sets(local).len(), 8);
}

fn a_lock_of_somebody_else_is_waited_for(local: &Local) {
    let path = format!("/_control/experiences/{}/foreign-lock", managed(local));
    control(local, "POST", &path, &json!({ "seconds": 6.0 }));
    let late = product(local, &["allow", "prod-locked", "--yes", "--timeout", "0"]).ended_with(1);
    assert_eq!(late.json()["error"]["code"], "late");
    product(local, &["allow", "prod-locked", "--yes"]).ended_with(0);
    assert!(list(local, managed(local), "allow").contains("prod-locked"));
}

fn ten_thousand_rows_are_imported_where_nine_thousand_are(local: &Local) {
    let products = made_up("large", 10_000);
    set_lists(local, &products[1_000..]);
    let file = local.file("large.csv", &spreadsheet(&products));
    let began = Instant::now();
    let found = product(local, &["diff", "--exact", &file])
        .ended_with(2)
        .json();
    let took = began.elapsed();
    eprintln!("10,000 rows against 9,000 products: {took:?}");
    assert_eq!(
        (&found["fewest_change_sets"], &found["in_place"]),
        (&json!(20), &json!(9_000))
    );
    let started = sets(local).len();
    product(
        local,
        &["import", "--exact", &file, "--yes", "--no-preview"],
    )
    .ended_with(0);
    assert_eq!(sets(local).len() - started, 20);
    assert_eq!(
        list(local, managed(local), "allow"),
        products.into_iter().collect()
    );
}
