//! A user of a member requests a product; an operator sees it, approves it by its name, and the product
//! arrives. Another request is declined and denied.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setup::{Local, control, look};

const PATIENCE: Duration = Duration::from_mins(1);

/// A user of a member requests a product.
fn request(local: &Local, member: &str, fields: &Value) {
    let mut body = json!({ "experience": local.member(member)["experience"] });
    let all = body.as_object_mut().unwrap();
    all.extend(fields.as_object().unwrap().clone());
    control(local, "POST", "/_control/product-requests", &body);
}

/// Waits until `requests --json` shows what is expected.
fn requests_until(
    local: &Local,
    options: &[&str],
    what: &str,
    holds: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let ends = Instant::now() + PATIENCE;
    let arguments = [&["requests", "--json"][..], options].concat();
    loop {
        let answer = local.run(&arguments).ended_with(0).json();
        let requests = answer["requests"].as_array().unwrap().clone();
        if holds(&requests) {
            return requests;
        }
        assert!(Instant::now() < ends, "{what}: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn is_on(local: &Local, experience: &str, list: &str, product: &str) -> bool {
    let lists = look(local, &format!("/_control/experiences/{experience}/lists"));
    let products = lists[list].as_array().unwrap();
    products.iter().any(|one| one == product)
}

#[test]
fn a_request_of_a_user_is_seen_and_approved_by_name_and_the_product_arrives() {
    let local = Local::up(&["--ttl", "10m", "--change-set-seconds", "0.3"]);
    local.run(&["sync", "--wait"]).ended_with(0);
    let emea = local.member("emea")["experience"]
        .as_str()
        .unwrap()
        .to_owned();
    let management = local.text("management_experience").to_owned();
    let product = "prod-requested";
    let none = local.run(&["requests"]).ended_with(0);
    assert!(none.stdout.contains("nothing is requested"), "{none:?}");

    let wanted = json!({ "product": product, "title": "Example Database", "requester": "arn:aws:sts::555555555555:assumed-role/Developer/ada" });
    request(&local, "emea", &wanted);
    request(
        &local,
        "apac",
        &json!({ "product": product, "title": "Example Database" }),
    );
    request(
        &local,
        "apac",
        &json!({ "product": "prod-unwanted", "title": "Other Tool", "request": "pr-other" }),
    );
    let seen = requests_until(&local, &[], "three requests", |all| all.len() == 3);
    let of_emea = seen.iter().find(|one| one["member"] == "emea").unwrap();
    assert_eq!(
        (&of_emea["requests"], &of_emea["members"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(of_emea["management_experience"], management.as_str());
    let table = local
        .run(&["requests", "--product", "database"])
        .ended_with(0);
    for part in [
        "Example Database",
        "assumed-role/Developer/ada",
        "2 in 2 members",
    ] {
        assert!(table.stdout.contains(part), "{part}: {table:?}");
    }
    assert!(!table.stdout.contains("Other Tool"), "{table:?}");
    table.tells(&["in the member's console"]);

    let unknown = local
        .run(&["requests", "approve", "nothing of the kind", "--yes"])
        .ended_with(5);
    unknown.tells(&["pr-other of apac: Other Tool"]);
    let approved = local
        .run(&[
            "requests",
            "approve",
            "example database",
            "--reason",
            "standard",
            "--yes",
            "--json",
        ])
        .ended_with(0)
        .json();
    assert_eq!(approved["changed"], true);
    assert_eq!(approved["requests"].as_array().unwrap().len(), 2);
    assert!(approved["what_to_do"].as_str().unwrap().contains("console"));
    assert!(is_on(&local, &management, "allow", product));
    let ends = Instant::now() + PATIENCE;
    while !is_on(&local, &emea, "allow", product) {
        assert!(Instant::now() < ends, "the product does not arrive in emea");
        std::thread::sleep(Duration::from_millis(200));
    }

    let declined = local
        .run(&[
            "requests",
            "decline",
            "pr-other",
            "--reason",
            "we have one",
            "--deny",
            "--yes",
        ])
        .ended_with(0);
    declined.tells(&["in the member's console"]);
    assert!(is_on(&local, &management, "deny", "prod-unwanted"));
    // An administrator of the member answers the request itself.
    let id = of_emea["request"].as_str().unwrap();
    request(
        &local,
        "emea",
        &json!({ "product": product, "request": id, "event": "Approved" }),
    );
    let left = requests_until(&local, &[], "two that wait", |all| all.len() == 2);
    let other = left
        .iter()
        .find(|one| one["request"] == "pr-other")
        .unwrap();
    assert_eq!(other["answer"]["reason"], "we have one");
    assert_eq!(other["answer"]["denied"], true);
    let all = requests_until(&local, &["--all"], "all of them", |all| all.len() == 3);
    let ended = all.iter().find(|one| one["request"] == id).unwrap();
    assert_eq!(
        (&ended["state"], &ended["answer"]["answered"]),
        (&json!("approved"), &json!("approved"))
    );
    let page = local.run(&["report", "--json"]).ended_with(0).json();
    assert_eq!(page["requests"].as_array().unwrap().len(), 2);
}
