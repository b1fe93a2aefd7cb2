//! The page as text: what is in it without a browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use base64::Engine as _;
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::sources::Conflict;
use pmp_sync_report::{
    AttentionKind, Changed, Concerned, Counts, Headline, Kind, Model, Requested, State, Week,
    render, to_csv,
};
use serde_json::{Value, json};
use sha2::Digest as _;

/// As this release and every earlier one has printed it: a newer one has to read it.
const MODEL: &str = include_str!("../fixtures/model-1.json");

fn model() -> Model {
    serde_json::from_str(MODEL).unwrap()
}

/// What stands between two texts, the first time.
/// The page without what keeps words on one line.
fn render_plain(model: &Model) -> String {
    let page = render(model).replace("<wbr>", "");
    let mut parts = page.split("<span class=\"nb\">");
    let first = parts.next().unwrap_or_default().to_owned();
    first
        + &parts
            .map(|part| part.replacen("</span>", "", 1))
            .collect::<String>()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn a_model_of_this_release_stays_readable() {
    let fixture: Value = serde_json::from_str(MODEL).unwrap();
    assert_eq!(serde_json::to_value(model()).unwrap(), fixture);
    assert_eq!(Counts::of(&model().links), model().counts);
}

#[test]
fn the_page_allows_its_own_script_and_style_and_nothing_else() {
    let page = render(&model());
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    let (_, script) = page.rsplit_once("<script>").unwrap();
    let script = script.split_once("</script>").unwrap().0;
    let style = between(&page, "<style>", "</style>");
    for (directive, text) in [("script-src", script), ("style-src", style)] {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text));
        let source = format!("{directive} 'sha256-{hash}';");
        assert!(policy.contains(&source), "{source}: {policy}");
    }
    for forbidden in ["unsafe", "http:", "https:", "connect-src"] {
        assert!(!policy.contains(forbidden), "{forbidden}: {policy}");
    }
    // An attribute would be refused by the policy, and a script could be smuggled in by such a name.
    for forbidden in [
        " style=",
        " onclick=",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "src=\"http",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn of_each_member_only_what_differs_is_coded() {
    let page = render(&model());
    let data = between(&page, "id=\"data\">", "</script>");
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["p"], json!(["prod-a", "prod-b", "prod-c", "prod-x"]));
    assert_eq!(
        data["m"],
        json!([{ "id": "exp-4s8kd0qmw1x2y", "s": "AADU" }])
    );
    let emea = &data["l"][0];
    // The first and, two further, the third; unlisted and allowed; to be allowed and denied; one reason, twice.
    assert_eq!(
        (&emea["p"], &emea["s"], &emea["w"]),
        (&json!([0, 2]), &json!("UA"), &json!("AD"))
    );
    assert_eq!((&emea["r"], &emea["b"]), (&json!([[0, 2]]), &json!([3])));
    assert_eq!(emea["e"], json!({ "1": "2026-02-28T12:00:00Z" }));
    assert_eq!(data["l"][1]["fault"]["code"], "PMS-3001");
}

#[test]
fn a_member_that_follows_several_is_compared_with_all_of_them_together() {
    let mut model = model();
    let mut regional = model.management[0].clone();
    regional.experience = "exp-emea".parse().unwrap();
    regional.allowed = vec!["prod-x".parse().unwrap()];
    regional.denied = vec!["prod-a".parse().unwrap()];
    model.management.push(regional);
    model.links[0].sources = "exp-4s8kd0qmw1x2y, exp-emea".parse().unwrap();
    let wanted = |model: &Model| {
        let page = render(model);
        let data = between(&page, "id=\"data\">", "</script>");
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(
            (&data["l"][0]["m"], &data["l"][1]["m"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(data["m"][0]["s"], "AADU", "of one alone");
        assert_eq!(data["m"][1]["id"], "exp-4s8kd0qmw1x2y, exp-emea");
        data["m"][1]["s"].clone()
    };
    assert_eq!(wanted(&model), "DADA");
    model.links[0].conflict = Conflict::Allow;
    assert_eq!(wanted(&model), "AADA");
    let again: Model = serde_json::from_value(serde_json::to_value(&model).unwrap()).unwrap();
    assert_eq!(again, model);
    // If one cannot be read, nothing is known of what they want.
    model.management[1].fault = model.links[1].fault.clone();
    assert_eq!(wanted(&model), Value::Null);
}

#[test]
fn what_needs_somebody_and_the_members_are_there_without_scripts() {
    let page = render_plain(&model());
    let (page, _) = page.split_once("<script").unwrap();
    for part in [
        "pmp-sync approve 01ARZ3NDEKTSV4RRFFQ69G5FAV --experience exp-9d1kq27hs0abc --plan 00",
        "PMS-7002: too much",
        "pmp-sync resume --member apac",
        "2026-03-01 07:00:00",
        "unreachable: PMS-3001",
        "◷ stale",
        "2 d",
        "id=\"unscripted\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_page_in_which_every_cell_differs_stays_below_five_megabytes() {
    let mut model = model();
    let products: Vec<_> = (0..2_000)
        .map(|number| format!("prod-{number:013}"))
        .collect();
    let cell = model.links[0].differing[0].clone();
    let cells = products.iter().map(|product| {
        let mut cell = cell.clone();
        cell.product = product.parse().unwrap();
        cell
    });
    model.links[0].differing = cells.collect();
    model.management[0].allowed = products.iter().map(|id| id.parse().unwrap()).collect();
    let link = model.links[0].clone();
    model.links = (0..200)
        .map(|number| {
            let mut link = link.clone();
            link.member = format!("member-{number}");
            link
        })
        .collect();
    // Ten reasons in turn, which do not pack.
    for link in &mut model.links {
        for (place, cell) in link.differing.iter_mut().enumerate() {
            cell.why = place % 10;
        }
    }
    model.reasons = vec![model.reasons[0].clone(); 10];
    let bytes = render(&model).len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
}

/// Nothing of a mode or a state is written by hand.
#[test]
fn every_mode_state_and_kind_can_be_chosen_and_has_its_sign() {
    let page = render(&model());
    let data = between(&page, "id=\"data\">", "</script>");
    let data: Value = serde_json::from_str(data).unwrap();
    let option = |id: &str, value: &str| {
        let choices = between(&page, &format!("<select id=\"{id}\">"), "</select>");
        assert!(
            choices.contains(&format!("value=\"{value}\"")),
            "{value}: {choices}"
        );
    };
    for mode in Mode::ALL {
        option("mode", &mode.to_string());
    }
    for state in State::ALL {
        option("state", state.as_str());
        let told = json!([state.as_str(), state.sign(), state.text()]);
        assert!(data["states"].as_array().unwrap().contains(&told), "{told}");
        let tile = format!("data-state=\"{}\"", state.as_str());
        assert!(page.contains(&tile), "{tile}");
    }
    for kind in Kind::ALL {
        option("why", kind.as_str());
        let told = json!([kind.as_str(), kind.sign(), kind.text()]);
        assert!(data["signs"].as_array().unwrap().contains(&told), "{told}");
    }
    let style = between(&page, "<style>", "</style>");
    let states = State::ALL.iter().map(|state| state.as_str());
    let kinds = AttentionKind::ALL.iter().map(|kind| kind.as_str());
    for word in states.chain(kinds) {
        assert!(
            style.contains(&format!(".s-{word}")),
            "{word} has no colour"
        );
    }
    for kind in Kind::ALL {
        let class = format!(".k-{}", kind.as_str());
        assert!(style.contains(&class), "{class} has no colour");
    }
}

/// What users ask for comes from outside altogether.
#[test]
fn requests_are_told_without_scripts_and_stay_text() {
    let mut model = model();
    let empty = render(&model);
    assert!(empty.contains("None waits for an answer."));
    let hostile = "</script><img src=x onerror=alert(1)>";
    model.requests = vec![Requested {
        request: "pr-1".to_owned(),
        member: "emea".to_owned(),
        account: "222222222222".to_owned(),
        experience: "exp-1".to_owned(),
        product: "prod-a".to_owned(),
        title: Some(hostile.to_owned()),
        requester: Some(hostile.to_owned()),
        since: None,
        until: "2026-03-30T12:00:00Z".parse().unwrap(),
        asked: 3,
        answer: Some(hostile.to_owned()),
    }];
    model.dropped_requests = 7;
    let page = render(&model);
    let section = between(&page, "<section id=\"requests\"", "</section>");
    assert!(
        !section.contains("<img") && !section.contains("</script"),
        "{section}"
    );
    // A requester may be broken behind its slashes.
    let section = section.replace("<wbr>", "");
    assert_eq!(section.matches("&lt;/script&gt;&lt;img").count(), 3);
    for part in [
        "2026-03-30 12:00:00",
        ">3<",
        "in the member's console",
        "About 7 more",
    ] {
        assert!(section.contains(part), "{part}: {section}");
    }
    model.requests = vec![model.requests[0].clone(); 1_200];
    let page = render(&model);
    let section = between(&page, "<section id=\"requests\"", "</section>");
    assert_eq!(section.matches("<tr>").count(), 1_001);
    assert!(section.contains("And 200 more."));
}

/// The headline rounds down, and what a link leaves alone does not count.
#[test]
fn the_headline_tells_how_much_is_in_sync_and_how_old_the_oldest_difference_is() {
    let mut model = model();
    let headline = |model: &Model| {
        let of = Headline::of(&model.links, &model.reasons, &model.management);
        let mut model = model.clone();
        model.headline = of.clone();
        let page = render(&model);
        let line = between(&page, "<p class=\"headline\">", "</p>").to_owned();
        (of, line)
    };
    // Of prod-a, prod-b and prod-c, two differ; prod-x is denied besides.
    let (of, line) = headline(&model);
    assert_eq!((of.percent, of.differing), (Some(33), 2));
    assert_eq!((of.observed, of.in_sync, of.unknown), (1, 0, 1));
    // The edit is older than the hold.
    assert_eq!(of.oldest, Some("2026-02-28T12:00:00Z".parse().unwrap()));
    for part in [
        "33% in sync",
        "0 of 1 member experience in sync",
        "1 d",
        "1 more not known",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    model.reasons[0].kind = Kind::LeftAlone;
    model.links[0].state = State::LeftAlone;
    let (of, line) = headline(&model);
    assert_eq!((of.percent, of.in_sync, of.oldest), (Some(100), 1, None));
    assert!(line.contains("100% in sync"), "{line}");
    model.links.remove(0);
    let (of, line) = headline(&model);
    assert_eq!((of.percent, of.unknown), (None, 1));
    assert!(line.contains("Not known"), "{line}");
}

#[test]
fn what_changed_this_week_is_told_in_sentences_that_end() {
    let mut model = model();
    assert!(
        !render(&model).contains("id=\"week\""),
        "an earlier release has none"
    );
    let changed = |number: usize| Changed {
        product: format!("prod-{number}").parse().unwrap(),
        experiences: 2,
    };
    model.week = Some(Week {
        since: "2026-02-22T12:00:00Z".parse().unwrap(),
        experiences: 2,
        allowed: 400,
        denied: 1,
        allow: (0..100).map(changed).collect(),
        deny: vec![Changed {
            product: "prod-a".parse().unwrap(),
            experiences: 1,
        }],
        unknown: 0,
    });
    let hostile = "<b>Database</b>";
    model.names = [("prod-a".parse().unwrap(), hostile.to_owned())]
        .into_iter()
        .collect();
    let page = render_plain(&model);
    let section = between(&page, "<section id=\"week\"", "</section>");
    for part in [
        "400 products were allowed: <b>prod-0</b> (2)",
        "and 390 more.",
        "1 product was denied: <b>&lt;b&gt;Database&lt;/b&gt;</b> (1).",
        "2 member experiences changed.",
        "Somebody changed 1 product by hand on 1 member experience",
        "Changes of 1 member experience wait until somebody approves them.",
    ] {
        assert!(section.contains(part), "{part}: {section}");
    }
    assert!(!section.contains("prod-11<"), "{section}");
}

#[test]
fn what_applies_to_many_is_one_item_with_one_command() {
    let mut model = model();
    model.attention[0].concerned = ["emea", "apac"]
        .map(|member| Concerned {
            member: member.to_owned(),
            experience: format!("exp-{member}"),
        })
        .to_vec();
    let page = render_plain(&model);
    let section = between(&page, "<section id=\"attention\"", "</section>");
    for part in [
        "<h4>2 member experiences</h4>",
        "<li>emea <code>exp-emea</code></li>",
        "<li>apac <code>exp-apac</code></li>",
    ] {
        assert!(section.contains(part), "{part}: {section}");
    }
    assert_eq!(section.matches("pmp-sync approve").count(), 1);
}

#[test]
fn outside_edits_are_told_without_scripts() {
    let page = render(&model());
    let section = between(&page, "<section id=\"edits\"", "</section>");
    for part in [
        "prod-c",
        "emea",
        "<td>allowed</td><td>denied</td>",
        "2026-02-28 12:00:00",
    ] {
        assert!(section.contains(part), "{part}: {section}");
    }
}

#[test]
fn the_table_has_a_line_for_each_difference_and_each_link_that_is_not_seen() {
    let table = to_csv(&model());
    let lines: Vec<_> = table
        .split("\r\n")
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(
        lines[0].starts_with("member,account,experience,product,name,"),
        "{table}"
    );
    assert!(
        lines[1].starts_with("apac,333333333333,*,,,,,not known,PMS-3001: no role,"),
        "{table}"
    );
    assert_eq!(
        lines[3],
        "emea,222222222222,exp-9d1kq27hs0abc,prod-c,,allowed,denied,held,too much,2026-03-01T07:00:00Z,01ARZ3NDEKTSV4RRFFQ69G5FAV,,2026-02-28T12:00:00Z,look at it"
    );
}
