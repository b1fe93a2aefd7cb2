//! An operator's work from `local up` to `local down`, in the order in which it is done.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::setup::{END, Local};

#[test]
fn an_operator_plans_syncs_looks_and_mends_with_the_real_command() {
    let local = Local::up(&["--ttl", "10m", "--change-set-seconds", "0.5"]);
    the_configuration_in_force_is_shown(&local);
    let planned = the_plan_is_shown_and_changes_nothing(&local);
    one_member_can_be_brought_in_sync_alone(&local, &planned);
    the_rest_is_brought_in_sync_and_then_nothing_is_sent(&local);
    where_everything_stands_is_shown(&local);
    products_are_named_as_people_know_them(&local);
    only_a_valid_and_new_configuration_is_stored(&local);
    a_link_that_fails_is_told_with_what_to_do(&local);
    a_second_start_says_that_it_runs_already(&local);
    nothing_is_left_when_it_is_ended(&local);
}

/// The experience that `local up` made for a member.
fn experience<'a>(local: &'a Local, member: &str) -> &'a str {
    local.member(member)["experience"].as_str().unwrap()
}

/// The configuration in force, with its version.
fn config(local: &Local) -> (u64, String) {
    let shown = local
        .run(&["config", "show", "--json"])
        .ended_with(0)
        .json();
    let text = shown["text"].as_str().unwrap().to_owned();
    (shown["version"].as_u64().unwrap(), text)
}

/// The link of a member in `plan --json`.
fn link_of(plan: &Value, member: &str) -> Value {
    let links = plan["links"].as_array().unwrap().iter();
    let mut of_member = links.filter(|link| link["member"] == member);
    let mut link = of_member.next().unwrap().clone();
    // Another member's run may have asked for the same products meanwhile.
    link.as_object_mut().unwrap().remove("unchecked");
    assert!(of_member.next().is_none(), "{plan}");
    link
}

fn len(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

/// The words of the line of a table that holds `key`.
fn row<'a>(table: &'a str, key: &str) -> Vec<&'a str> {
    let mut rows = table.lines().filter(|line| line.contains(key));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("no {key} in\n{table}"));
    assert!(rows.next().is_none(), "{key} more than once in\n{table}");
    row.split_whitespace().collect()
}

fn the_configuration_in_force_is_shown(local: &Local) {
    let (version, text) = config(local);
    assert_eq!(version, 1);
    let answer = local.run(&["config", "show"]).ended_with(0);
    assert_eq!(answer.stdout, text);
    assert_eq!(answer.stderr, "version 1\n");
    for member in ["emea", "apac"] {
        assert!(text.contains(experience(local, member)), "{text}");
    }
    let source = local.text("management_experience");
    assert_eq!(text.matches(source).count(), 2, "{text}");
}

/// Returns the plan.
fn the_plan_is_shown_and_changes_nothing(local: &Local) -> Value {
    let plan = local.run(&["plan", "--json"]).ended_with(2).json();
    assert_eq!(
        (&plan["config_version"], len(&plan["links"])),
        (&json!(1), 2)
    );
    let table = local.run(&["plan"]).ended_with(2);
    table.tells(&["the producer makes the plan", "by version 1"]);
    let mut products = BTreeSet::new();
    for member in ["emea", "apac"] {
        let link = link_of(&plan, member);
        let experience = experience(local, member);
        assert_eq!(link["experience"], experience);
        assert_eq!(link["decision"], "commit");
        assert!(link["fault"].is_null());
        let (allow, deny) = (len(&link["allow"]), len(&link["deny"]));
        assert!(allow > 10 && deny > 3, "{link}");
        let row = row(&table.stdout, experience);
        let expected = [
            member,
            experience,
            "planned",
            &allow.to_string(),
            &deny.to_string(),
        ];
        assert_eq!(row[..5], expected);
        for action in ["allow", "deny"] {
            for product in link[action].as_array().unwrap() {
                let product = product.as_str().unwrap();
                products.insert(format!("{member} {experience} {action} {product}"));
            }
        }
    }
    let list = local.run(&["plan", "--products"]).ended_with(2).stdout;
    let listed = list.lines().skip(3).map(str::to_owned).collect();
    assert_eq!(products, listed, "{list}");

    // It has told nobody, and is the same the next time.
    let status = local.run(&["status", "--json"]).ended_with(0).json();
    assert_eq!(
        (&status["runs"], &status["lanes"]),
        (&json!([]), &json!([]))
    );
    let answer = local.run(&["status"]).ended_with(0);
    assert_eq!(answer.stdout, "no run yet\n\nno lane yet\n");
    assert_eq!(local.run(&["plan", "--json"]).ended_with(2).json(), plan);
    plan
}

fn one_member_can_be_brought_in_sync_alone(local: &Local, planned: &Value) {
    let narrowed = local
        .run(&["plan", "--json", "--member", "emea"])
        .ended_with(2)
        .json();
    assert_eq!(len(&narrowed["links"]), 1);
    assert_eq!(link_of(&narrowed, "emea"), link_of(planned, "emea"));
    let by_experience = ["plan", "--json", "--experience", experience(local, "emea")];
    assert_eq!(local.run(&by_experience).ended_with(2).json(), narrowed);
    let nobody = local.run(&["plan", "--member", "nobody"]).ended_with(5);
    assert_eq!(nobody.stdout, "");
    nobody.tells(&["no link has the member nobody", "apac", "emea"]);

    let run = local
        .run(&["sync", "--wait", "--json", "--member", "emea"])
        .ended_with(0)
        .json();
    assert_eq!(run["status"], "completed");
    assert_eq!(run["requests"][0]["kind"], "sync-requested");
    let link = link_of(planned, "emea");
    let (allow, deny) = (len(&link["allow"]), len(&link["deny"]));
    let totals = &run["totals"];
    assert_eq!(
        (&totals["links"], &totals["committed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&totals["allow"], &totals["deny"]),
        (&json!(allow), &json!(deny))
    );
    assert_eq!(totals["messages"], allow + deny);
    let plan = local.run(&["plan", "--json"]).ended_with(2).json();
    assert_eq!(link_of(&plan, "emea")["decision"], "in_sync");
    assert_eq!(link_of(&plan, "apac"), link_of(planned, "apac"));
}

fn the_rest_is_brought_in_sync_and_then_nothing_is_sent(local: &Local) {
    let answer = local.run(&["sync", "--wait"]).ended_with(0);
    let first = answer.stdout.lines().next().unwrap();
    assert!(
        first.starts_with("run ") && first.ends_with(": completed"),
        "{first}"
    );
    let counts = "2 (1 in sync, 1 changed, 0 under way, 0 failed)";
    assert!(answer.stdout.contains(counts), "{}", answer.stdout);
    assert!(!answer.stdout.contains("completed no"), "{}", answer.stdout);

    let run = local
        .run(&["sync", "--wait", "--json"])
        .ended_with(0)
        .json();
    assert_eq!(run["status"], "completed");
    assert_eq!(
        (&run["totals"]["in_sync"], &run["totals"]["messages"]),
        (&json!(2), &json!(0))
    );

    // Without waiting there is only the request to tell of.
    let request = local.run(&["sync", "--json"]).ended_with(0).json();
    assert_eq!(request["request_id"].as_str().unwrap().len(), 32);
}

fn where_everything_stands_is_shown(local: &Local) {
    let status = local.run(&["status", "--json"]).ended_with(0).json();
    assert_eq!(len(&status["lanes"]), 2);
    let lanes = status["lanes"].as_array().unwrap();
    for lane in lanes {
        assert_eq!(
            (&lane["phase"], &lane["open"]),
            (&json!("idle"), &json!(0)),
            "{lane}"
        );
        for time in ["last_attempt", "last_success", "last_in_sync"] {
            assert!(lane[time].is_string(), "{time}: {lane}");
        }
    }
    let runs = status["runs"].as_array().unwrap();
    assert!(runs.len() >= 3, "{status}");
    let ids: Vec<_> = runs
        .iter()
        .map(|run| run["run"].as_str().unwrap())
        .collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");

    let table = local.run(&["status", "--runs", "200"]).ended_with(0).stdout;
    for member in ["emea", "apac"] {
        let row = row(&table, experience(local, member));
        let experience = experience(local, member);
        assert_eq!(row[..6], [member, experience, "in", "sync", "idle", "0"]);
    }
    let oldest = ids.last().unwrap();
    assert_eq!(row(&table, oldest)[1], "completed");
    let newest = local
        .run(&["status", "--json", "--runs", "1"])
        .ended_with(0)
        .json();
    assert_eq!(len(&newest["runs"]), 1);

    // The oldest is the one about emea alone.
    let one = local
        .run(&["status", "--run", oldest, "--json"])
        .ended_with(0)
        .json();
    assert_eq!(
        (&one["run"]["run"], len(&one["links"])),
        (&json!(oldest), 1)
    );
    assert_eq!(one["links"][0]["status"], "committed");
    assert_eq!(
        len(&one["links"][0]["allow"]),
        one["run"]["totals"]["allow"]
    );
    let text = local.run(&["status", "--run", oldest]).ended_with(0).stdout;
    assert_eq!(row(&text, experience(local, "emea"))[2], "committed");
    assert!(!text.contains("apac"), "{text}");

    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let answer = local.run(&["status", "--run", unknown]).ended_with(5);
    answer.tells(&["there is no run", unknown, "it may have expired"]);
}

/// The run that allowed them asked whether they are live, and was told their names.
fn products_are_named_as_people_know_them(local: &Local) {
    let (opus, name) = ("prod-fm3feywmwerog", "Anthropic Claude 3 Opus");
    for named in [opus, name, "claude 3 opus", "opus 3"] {
        let told = local.run(&["why", named, "--json"]).ended_with(0).json();
        assert_eq!(told["names"][opus], name, "{named}: {told}");
        assert_eq!(told["links"][0]["answers"][0]["product"], opus, "{told}");
    }
    let shown = local.run(&["why", opus]).ended_with(0).stdout;
    assert!(shown.lines().nth(1).unwrap().contains(name), "{shown}");
    let several = local.run(&["why", "claude"]).ended_with(5);
    several.tells(&["\"claude\" means", opus, "give more of the name"]);
    let none = local.run(&["why", "claude 3 opsu"]).ended_with(5);
    none.tells(&[&format!("did you mean {opus} ({name}")]);
    let page = "https://aws.amazon.com/marketplace/pp/prodview-dr2vpvd4k73aq?ref_=x";
    let of_page = local.run(&["why", page]).ended_with(0);
    of_page.tells(&["is prod-dr2vpvd4k73aq (AI21 Jamba-Instruct"]);
    let last = local.run(&["history", "last", "--json"]).ended_with(0);
    assert!(last.json()["run"]["run"].is_string());
}

fn only_a_valid_and_new_configuration_is_stored(local: &Local) {
    let before = config(local);
    let broken = before.1.replace("222222222222", "2222");
    assert_ne!(broken, before.1);
    let file = local.file("broken.toml", &broken);
    let answer = local.run(&["config", "apply", &file]).ended_with(5);
    assert_eq!(answer.stdout, "");
    answer.tells(&["nothing was stored", &format!("{file}:5:11: ")]);
    assert_eq!(config(local), before);

    let file = local.file("same.toml", &before.1);
    let answer = local
        .run(&["config", "apply", &file, "--json"])
        .ended_with(0);
    assert_eq!(answer.json(), json!({ "version": 1, "stored": false }));
    let answer = local
        .run(&["config", "apply", &file, "--yes"])
        .ended_with(0);
    assert!(answer.stdout.contains("nothing was stored"), "{answer:?}");
    assert_eq!(config(local), before);
}

fn a_link_that_fails_is_told_with_what_to_do(local: &Local) {
    let missing = "exp-0000000000000";
    let (_, good) = config(local);
    let wrong = good.replace(experience(local, "apac"), missing);
    let file = local.file("wrong.toml", &wrong);
    // The member experience of a link would be another one: the old link would be gone.
    let answer = local.run(&["config", "diff", &file]).ended_with(4);
    answer.tells(&["PMS-3002", "follows nothing any more"]);
    for change in ["1 link removed: apac", "1 link added: apac"] {
        assert!(answer.stdout.contains(change), "{answer:#?}");
    }
    let answer = local.run(&["config", "apply", &file]).ended_with(5);
    answer.tells(&["1 link would be gone", "--yes"]);
    assert_eq!(config(local).0, 1);
    let answer = local
        .run(&["config", "apply", &file, "--yes", "--json"])
        .ended_with(0);
    let applied = answer.json();
    assert_eq!(
        (&applied["version"], &applied["stored"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(
        applied["effect"]["difference"]["links_removed"][0]["member"],
        "apac"
    );

    let told = ["PMS-3002", missing, "what to do: check member_experience"];
    let answer = local.run(&["plan"]).ended_with(4);
    answer.tells(&told);
    answer.tells(&["1 of 2 links cannot be planned"]);
    assert_eq!(
        row(&answer.stdout, missing)[..3],
        ["apac", missing, "unreachable"]
    );
    assert_eq!(row(&answer.stdout, "emea")[2..4], ["in", "sync"]);
    let answer = local.run(&["plan", "--json"]).ended_with(4);
    assert_eq!(link_of(&answer.json(), "apac")["fault"]["code"], "PMS-3002");

    let answer = local.run(&["sync", "--wait"]).ended_with(4);
    answer.tells(&told);
    answer.tells(&["is partial, not completed"]);
    let counts = "2 (1 in sync, 0 changed, 0 under way, 1 failed)";
    assert!(answer.stdout.contains(counts), "{}", answer.stdout);
    let answer = local.run(&["sync", "--wait", "--json"]).ended_with(4);
    answer.tells(&told);
    let run = answer.json();
    assert_eq!(
        (&run["status"], &run["totals"]["failed"]),
        (&json!("partial"), &json!(1))
    );
    let run = run["run"].as_str().unwrap();
    local
        .run(&["status", "--run", run])
        .ended_with(0)
        .tells(&told);

    // The other member alone is well, and so is everything once the old text is in force again.
    local.run(&["plan", "--member", "emea"]).ended_with(0);
    let answer = local
        .run(&["config", "rollback", "--yes", "--reason", "a typo"])
        .ended_with(0);
    assert!(answer.stdout.contains("version 3"), "{answer:?}");
    assert_eq!(config(local).1, good);
    let answer = local.run(&["config", "history"]).ended_with(0);
    for word in ["3 (in force)", "config rollback 1", "a typo"] {
        assert!(answer.stdout.contains(word), "{answer:#?}");
    }
    local.run(&["sync", "--wait"]).ended_with(0);
}

fn a_second_start_says_that_it_runs_already(local: &Local) {
    let answer = local.up_again(&["--ttl", "10m"]).ended_with(0);
    answer.tells(&["it runs already"]);
    assert_eq!(answer.json(), local.answer);
    let answer = local.up_again(&["--ttl", "20m"]).ended_with(6);
    answer.tells(&["it runs already", "--ttl 600s, not 1200s"]);
}

fn nothing_is_left_when_it_is_ended(local: &Local) {
    // Otherwise it would not be known that what is to be gone can be seen.
    assert!(local.left().len() >= 4, "{:?}", local.left());
    local.down().ended_with(0).tells(&["ended"]);
    assert!(!local.state().exists());
    local.ends_within(END);
    local.down().ended_with(0).tells(&["nothing runs"]);
    local
        .run(&["status"])
        .ended_with(1)
        .tells(&["what to do: "]);
}
