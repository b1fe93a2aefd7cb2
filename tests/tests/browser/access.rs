//! That everybody can use the page: the rules of axe-core in both palettes, wide and narrow, and what is there on paper, in the
//! system's own colours, and where scripts are forbidden.

use serde_json::Value;

use crate::browser::{Page, with_report, with_scripts_forbidden};
use crate::sample::report;

/// The script of axe-core.
fn axe() -> String {
    let path = std::env::var_os("PMP_SYNC_AXE");
    let path = path.expect("PMP_SYNC_AXE is the path that tests/axe/install prints");
    std::fs::read_to_string(path).unwrap()
}

/// What axe-core finds wrong.
async fn findings(page: &Page) -> Vec<String> {
    let script = "const done = arguments[arguments.length - 1]; axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations), (error) => done([{ id: 'error', help: String(error), nodes: [] }]));";
    let found = page.called_back(script).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_rule = |rule: &Value| {
        let nodes = rule["nodes"].as_array().unwrap().iter();
        let nodes: Vec<_> = nodes
            .map(|node| format!("{} {}", text(&node["html"]), text(&node["failureSummary"])))
            .collect();
        format!(
            "{}: {}: {}",
            text(&rule["id"]),
            text(&rule["help"]),
            nodes.join("; ")
        )
    };
    found.as_array().unwrap().iter().map(of_rule).collect()
}

async fn is_accessible(page: &Page, what: &str) {
    let found = findings(page).await;
    assert!(found.is_empty(), "{what}: {found:#?}");
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn no_rule_of_accessibility_is_broken_in_either_palette_wide_or_narrow() {
    let axe = axe();
    with_report(&report(12, 120), move |page| async move {
        page.run(&axe).await;
        for palette in ["light", "dark"] {
            for width in [1400, 420] {
                let what = format!("{palette}-{width}");
                page.resize(width, 900).await;
                is_accessible(&page, &what).await;
                page.whole_picture(&format!("report-{what}.png"), width)
                    .await;
                // All of it, with a panel beside it and everything unfolded.
                page.run("for (const one of document.querySelectorAll('details')) one.open = true")
                    .await;
                page.click("#diff").await;
                page.run("document.querySelector('#grid [role=gridcell]').click()")
                    .await;
                page.until("open", "!document.querySelector('#panel').hidden")
                    .await;
                is_accessible(&page, &format!("{what}, with a panel")).await;
                page.picture(&format!("panel-{what}.png")).await;
                page.click("#panel .bar button").await;
                page.click("#clear").await;
                page.run(
                    "for (const one of document.querySelectorAll('details')) one.open = false",
                )
                .await;
            }
            page.click("#theme").await;
        }
    });
}

/// A finding would be seen: one that is put there is.
#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn a_broken_rule_of_accessibility_is_found() {
    let axe = axe();
    with_report(&report(3, 20), move |page| async move {
        page.run(&axe).await;
        page.run("document.querySelector('#theme').textContent = ''; document.querySelector('.note').classList.add('faint'); document.querySelector('main').append(document.createElement('select'))")
            .await;
        let found = findings(&page).await;
        for rule in ["button-name", "select-name"] {
            assert!(
                found.iter().any(|one| one.starts_with(rule)),
                "{rule}: {found:#?}"
            );
        }
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn texts_at_the_axes_keep_their_size_in_a_narrow_window() {
    with_report(&report(9, 120), |page| async move {
        for (width, labels) in [(1400, 5), (420, 3)] {
            page.resize(width, 900).await;
            let seen = "[...document.querySelectorAll('.plot .area .axis')].filter((one) => one.getBoundingClientRect().width > 0)";
            assert_eq!(page.value(&format!("{seen}.length")).await, labels);
            let heights = "Math.min(...[...document.querySelectorAll('.plot .axis')].map((one) => one.getBoundingClientRect().height).filter(Boolean))";
            let height = page.value(heights).await.as_f64().unwrap();
            assert!(height >= 12.0, "{width}: {height}");
            // None overlaps its neighbour, and none leaves the window.
            let apart = format!(
                "{seen}.map((one) => one.getBoundingClientRect()).every((one, at, all) => one.left >= 0 && one.right <= innerWidth && (at === 0 || one.left > all[at - 1].right))"
            );
            assert_eq!(page.value(&apart).await, true, "{width}");
        }
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn the_button_of_the_theme_says_what_a_click_does() {
    with_report(&report(3, 20), |page| async move {
        let label = "document.querySelector('#theme').textContent";
        assert_eq!(page.text(label).await, "Dark colours");
        page.click("#theme").await;
        assert_eq!(page.text(label).await, "Light colours");
        page.refresh().await;
        assert_eq!(page.text(label).await, "Light colours");
        page.click("#theme").await;
        assert_eq!(page.text(label).await, "Dark colours");
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn where_scripts_are_forbidden_no_heading_is_left_without_its_text() {
    with_scripts_forbidden(&report(9, 120), |page| async move {
        let usable = "document.documentElement.dataset.usable ?? 'no'";
        assert_eq!(page.text(usable).await, "no");
        let told = page
            .text("document.querySelector('#matrix').innerText")
            .await;
        assert!(
            told.contains("need scripts") && told.contains("--csv"),
            "{told}"
        );
        let empty = "[...document.querySelectorAll('section')].filter((one) => one.innerText.trim().length <= one.querySelector('h2').innerText.trim().length).map((one) => one.id).join(' ')";
        assert_eq!(page.text(empty).await, "", "a section is its heading alone");
        let dead =
            "[...document.querySelectorAll('.copy, #theme, #filters')].every((one) => one.hidden)";
        assert_eq!(page.value(dead).await, true, "a button does nothing");
        page.whole_picture("unscripted.png", 1400).await;
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn paper_and_the_colours_of_the_system_show_everything() {
    with_report(&report(9, 120), |page| async move {
        page.emulate("print", false).await;
        let shown = "(selector) => [...document.querySelectorAll(selector)].some((one) => one.getBoundingClientRect().height > 0)";
        for (selector, seen) in [
            (".headline", true),
            ("#week li", true),
            (".card .command code", true),
            (".paper", true),
            ("#edits tbody tr", true),
            ("#members tbody tr", true),
            (".plot .area", true),
            ("details.runs tbody tr", true),
            ("#theme", false),
            (".copy", false),
            ("#grid", false),
            ("#filters", false),
        ] {
            let is = page.value(&format!("({shown})('{selector}')")).await;
            assert_eq!(is, seen, "{selector}");
        }
        page.whole_picture("print.png", 900).await;
        page.emulate("", true).await;
        // What is told by a tint alone has a line around it.
        let line = "getComputedStyle(document.querySelector('#grid .cell.k-held, #grid .cell.k-planned')).borderTopWidth";
        assert_eq!(page.text(line).await, "1px");
        page.whole_picture("forced-colors.png", 1400).await;
    });
}
