//! The report of a whole installation: its members and products, a hold and a blocked lane with the commands
//! that resolve them, and a member that cannot be looked at.

use serde_json::{Value, json};

use crate::setup::{Local, control, look};

#[test]
fn the_report_tells_where_everything_stands_and_what_to_do() {
    let local = Local::up(&["--ttl", "10m", "--change-set-seconds", "0.3"]);
    local.run(&["sync", "--wait"]).ended_with(0);
    everybody_is_in_sync(&local);
    a_blocked_lane_and_holds_show_with_their_commands(&local);
    a_member_that_cannot_be_looked_at_is_no_obstacle(&local);
}

/// The model, and the page.
fn report(local: &Local, code: i32) -> (Value, String) {
    let file = local.file("report.html", "");
    let arguments = ["report", "--html", &file, "--force", "--json"];
    let model = local.run(&arguments).ended_with(code).json();
    (model, std::fs::read_to_string(&file).unwrap())
}

fn experience<'a>(local: &'a Local, member: &str) -> &'a str {
    local.member(member)["experience"].as_str().unwrap()
}

fn everybody_is_in_sync(local: &Local) {
    let (model, page) = report(local, 0);
    assert_eq!(model["counts"]["in_sync"], 2, "{}", model["counts"]);
    assert_eq!(model["attention"], json!([]));
    let source = local.text("management_experience");
    let lists = look(local, &format!("/_control/experiences/{source}/lists"));
    let management = &model["management"][0];
    for (list, of) in [("allow", "allowed"), ("deny", "denied")] {
        let products = lists[list].as_array().unwrap();
        assert_eq!(management[of].as_array().unwrap().len(), products.len());
        for product in products {
            assert!(page.contains(product.as_str().unwrap()), "{product}");
        }
    }
    for member in ["emea", "apac"] {
        assert!(page.contains(experience(local, member)), "{member}");
    }
    assert_eq!(model["runs"][0]["status"], "completed");
}

fn a_blocked_lane_and_holds_show_with_their_commands(local: &Local) {
    let source = local.text("management_experience");
    let path = format!("/_control/experiences/{source}/lists");
    let before = look(local, &path);
    let mut more = before.clone();
    more["allow"]
        .as_array_mut()
        .unwrap()
        .push(json!("prod-worse"));
    control(local, "PUT", &path, &more);
    let faults = json!({ "bad_products": { "prod-worse": { "code": "INVALID_PRODUCT" } } });
    control(local, "PUT", "/_control/faults", &faults);
    local
        .run(&["sync", "--wait", "--member", "emea"])
        .ended_with(4);
    let (model, page) = report(local, 0);
    let blocked = of_kind(&model, "blocked");
    assert_eq!(
        (blocked.len(), &blocked[0]["about"]),
        (1, &json!("emea")),
        "{model}"
    );
    let emea = experience(local, "emea");
    let command = format!("pmp-sync sync --wait --member emea --experience {emea}");
    assert_eq!(blocked[0]["command"], command);
    assert!(page.contains(&command) && page.contains("INVALID_PRODUCT"));

    // Without most products: that is held on both.
    control(local, "PUT", "/_control/faults", &json!({}));
    local.run(&["sync", "--wait"]).ended_with(0);
    control(
        local,
        "PUT",
        &path,
        &json!({ "allow": ["prod-worse"], "deny": [] }),
    );
    local.run(&["sync", "--wait"]).ended_with(3);
    let holds = local.run(&["holds", "--json"]).ended_with(3).json();
    let (model, page) = report(local, 0);
    // Options are kept on one line, by elements that leave the text as it is.
    let page = page
        .replace("<span class=\"nb\">", "")
        .replace("</span>", "");
    assert_eq!(model["counts"]["held"], 2, "{}", model["counts"]);
    // Equal plans are one item, with the command that approves the plan wherever it is held.
    let held = of_kind(&model, "held");
    let concerned = |item: &&Value| item["concerned"].as_array().map_or(1, Vec::len);
    assert_eq!(held.iter().map(concerned).sum::<usize>(), 2);
    for hold in holds["holds"].as_array().unwrap() {
        let alone = hold["approve"].as_str().unwrap();
        let together = format!("approve --plan {}", hold["plan_hash"].as_str().unwrap());
        let mut commands = held.iter().filter_map(|item| item["command"].as_str());
        let command = commands.find(|command| *command == alone || command.ends_with(&together));
        let command = command.unwrap_or_else(|| panic!("{alone}: {held:?}"));
        assert!(page.contains(command), "{command}");
    }
    let reasons = model["reasons"].as_array().unwrap();
    assert!(
        reasons.iter().any(|reason| reason["kind"] == "held"),
        "{reasons:?}"
    );

    // The very command that is shown releases it.
    let mut of_emea = holds["holds"].as_array().unwrap().iter();
    let of_emea = of_emea.find(|hold| hold["member"] == "emea").unwrap();
    let command = of_emea["approve"].as_str().unwrap();
    let arguments: Vec<_> = command.split(' ').skip(1).collect();
    local.run(&arguments).ended_with(0);
    control(local, "PUT", &path, &before);
    local.run(&["sync", "--wait"]).ended_with(0);
}

fn a_member_that_cannot_be_looked_at_is_no_obstacle(local: &Local) {
    let shown = local
        .run(&["config", "show", "--json"])
        .ended_with(0)
        .json();
    let config = shown["text"].as_str().unwrap();
    let wrong = config.replace(experience(local, "apac"), "exp-0000000000000");
    let file = local.file("wrong.toml", &wrong);
    local
        .run(&["config", "apply", &file, "--yes"])
        .ended_with(0);
    let (model, page) = report(local, 4);
    assert_eq!(
        (&model["counts"]["unreachable"], &model["counts"]["in_sync"]),
        (&json!(1), &json!(1))
    );
    assert!(page.contains("PMS-3002") && page.contains("check member_experience"));
}

fn of_kind<'a>(model: &'a Value, kind: &str) -> Vec<&'a Value> {
    let items = model["attention"].as_array().unwrap().iter();
    items.filter(|item| item["kind"] == kind).collect()
}
