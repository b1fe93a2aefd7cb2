//! `local up --catalog-endpoint`: another emulator of the Catalog API, without events and seeding.

use std::collections::BTreeSet;

use pmp_sync_local::embedded::Clients;
use pmp_sync_local::marketplace::{Emulator, Lists, NewExperience, Settings};
use pmp_sync_local::scenario::link;
use tokio::runtime::Runtime;

use crate::setup::Local;

/// Allows only.
fn allow(products: &[&str]) -> Lists {
    Lists {
        allow: products.iter().map(|id| (*id).to_owned()).collect(),
        deny: BTreeSet::new(),
    }
}

/// Makes the organization of an account that the state file names, and a live experience in it.
fn add(emulator: &Emulator, account: &str, lists: Lists) -> String {
    let owner = format!("9{}", &account[1..]);
    emulator.add_org(&owner, [account.to_owned()]);
    emulator.add_experience(NewExperience {
        owner,
        id: None,
        name: None,
        enabled: true,
        archived: false,
        lists: Some(lists),
    })
}

#[test]
fn a_sync_with_another_emulator_that_tells_no_events_completes_by_ticks_alone() {
    let runtime = Runtime::new().unwrap();
    let settings = Settings {
        change_set_seconds: 0.5,
        events: false,
        ..Settings::default()
    };
    let emulator = runtime.block_on(Emulator::start(settings)).unwrap();
    let endpoint = emulator.endpoint();
    let local = Local::up(&["--ttl", "10m", "--catalog-endpoint", &endpoint]);
    assert_eq!(local.text("catalog_endpoint"), endpoint);
    let variable = &local.answer["variables"]["AWS_ENDPOINT_URL_MARKETPLACE_CATALOG"];
    assert_eq!(variable, &endpoint);
    assert!(local.answer["management_experience"].is_null());

    // Nothing is seeded: neither there nor in the ledger.
    let answer = local.run(&["config", "show"]).ended_with(1);
    answer.tells(&["PMS-1002", "what to do: "]);
    local.run(&["plan"]).ended_with(1).tells(&["PMS-1002"]);
    let answer = local.run(&["sync", "--wait"]).ended_with(1);
    answer.tells(&["PMS-1002", "what to do: "]);
    assert!(emulator.calls().is_empty(), "{:?}", emulator.calls());

    // It can tell whose keys the roles of the Lambdas are.
    let clients = {
        let _inside = runtime.enter();
        Clients::new(local.text("endpoint"))
    };
    emulator.connect(move |account| clients.config(account));
    let wanted = allow(&["prod-one", "prod-two"]);
    let source = add(&emulator, local.text("management_account"), wanted.clone());
    let mut config = "schema = 1\n".to_owned();
    let mut links = String::new();
    let mut experiences = Vec::new();
    for member in local.answer["members"].as_array().unwrap() {
        let field = |name: &str| member[name].as_str().unwrap();
        config = format!(
            "{config}[[member]]\nname = {:?}\naccount = {:?}\nexternal_id = {:?}\n",
            field("name"),
            field("account"),
            field("external_id")
        );
        let experience = add(
            &emulator,
            field("account"),
            allow(&["prod-old", "prod-one"]),
        );
        let more = "guard = { exempt = [\"first-mirror\"] }";
        links += &link(&source, field("name"), &experience, more);
        experiences.push(experience);
    }
    assert_eq!(experiences.len(), 2);
    let file = local.file("pmp-sync.toml", &(config + &links));
    let answer = local
        .run(&["config", "apply", &file, "--json"])
        .ended_with(0);
    assert_eq!(answer.json()["version"], 1);

    let run = local
        .run(&["sync", "--wait", "--json"])
        .ended_with(0)
        .json();
    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(run["totals"]["committed"], 2, "{run}");
    for experience in &experiences {
        let lists = emulator.lists(experience).unwrap();
        assert_eq!(lists.allow, wanted.allow);
        assert_eq!(lists.deny, BTreeSet::from(["prod-old".to_owned()]));
    }
    let sets = emulator.change_sets();
    assert_eq!(sets.len(), 2, "one for each member: {sets:?}");
}
