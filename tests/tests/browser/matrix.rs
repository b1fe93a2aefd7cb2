//! The matrix by clicks and keys.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Page, with_report};
use crate::sample::{hold_command, member, product, report};

const ROWS: &str = "Number(document.querySelector('#grid').getAttribute('aria-rowcount')) - 1";
const COLUMNS: &str = "Number(document.querySelector('#grid').getAttribute('aria-colcount')) - 1";
const ACTIVE: &str = "[document.activeElement.dataset.row, document.activeElement.dataset.column]";

async fn size(page: &Page) -> (u64, u64) {
    let of = async |what| page.value(what).await.as_u64().unwrap();
    (of(ROWS).await, of(COLUMNS).await)
}

async fn sees(page: &Page, rows: u64, columns: u64) {
    let so = format!("{ROWS} === {rows} && {COLUMNS} === {columns}");
    page.until(&format!("{rows} x {columns}"), &so).await;
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn what_is_shown_is_searched_and_filtered_and_the_address_keeps_it() {
    let model = report(9, 120);
    let differing = model.links.iter().flat_map(|link| &link.differing);
    let differing: std::collections::BTreeSet<_> =
        differing.map(|cell| cell.product.clone()).collect();
    let held = u64::try_from(model.links[0].differing.len()).unwrap();
    let rows = u64::try_from(differing.len()).unwrap();
    let columns = model
        .links
        .iter()
        .filter(|link| link.fault.is_some() || !link.differing.is_empty());
    let columns = u64::try_from(columns.count()).unwrap();
    let first = differing.first().unwrap().clone();
    with_report(&model, move |page| async move {
        sees(&page, rows, columns).await;
        assert!(
            rows < 121 && columns < 9,
            "{rows} x {columns}: the sample has nothing in sync"
        );
        let listed = page
            .value("document.querySelectorAll('#grid [role=rowheader]').length")
            .await;
        assert!(listed.as_u64().unwrap() > 5, "{listed}");

        // Everything, with the product that only members list.
        page.click("#diff").await;
        sees(&page, 121, 9).await;
        page.click("#diff").await;
        sees(&page, rows, columns).await;

        page.type_into("#q", &first.as_str().to_uppercase()).await;
        page.until("one product", &format!("{ROWS} === 1")).await;
        let header = page
            .text("document.querySelector('#grid [role=rowheader] code').textContent")
            .await;
        assert_eq!(header, first.as_str());
        page.until(
            "it is said",
            "document.querySelector('#said').textContent.startsWith('1 of 121 products')",
        )
        .await;
        page.click("#clear").await;
        sees(&page, rows, columns).await;

        // By a tile, and by the select that it sets.
        page.click(".tile[data-state=held]").await;
        sees(&page, held, 1).await;
        let name = page
            .text("document.querySelector('#grid .name').getAttribute('aria-label')")
            .await;
        assert_eq!(name, "emea, held");
        assert_eq!(
            page.text("document.querySelector('#state').value").await,
            "held"
        );
        assert_eq!(
            page.value("document.querySelector('.tile[data-state=held]').ariaPressed")
                .await,
            "true"
        );
        assert_eq!(page.text("location.hash").await, "#state=held&zoom=words");
        page.refresh().await;
        sees(&page, held, 1).await;
        page.click("#clear").await;

        page.choose("#why", "quarantined").await;
        page.until("quarantined", &format!("{COLUMNS} === 1")).await;
        page.click("#clear").await;
        page.type_into("#m", &member(3)).await;
        page.until("one member", &format!("{COLUMNS} === 1")).await;
        page.type_into("#q", "no such product").await;
        page.until(
            "nothing",
            "document.querySelector('#grid').hidden && !document.querySelector('#nothing').hidden",
        )
        .await;
        page.click("#clear").await;
        page.choose("#mode", "observe").await;
        page.until("observed", "document.querySelector('#grid').hidden || document.querySelectorAll('#grid .name').length === 1").await;
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn a_cell_tells_why_and_gives_the_focus_back() {
    let model = report(9, 120);
    let cell = model.links[0].differing[0].clone();
    with_report(&model, move |page| async move {
        page.picture("light.png").await;
        page.value("document.querySelector('#matrix').scrollIntoView()")
            .await;
        page.picture("matrix.png").await;
        page.type_into("#q", cell.product.as_str()).await;
        page.type_into("#m", "emea").await;
        page.until("one row", &format!("{ROWS} === 1")).await;
        let selector = "#grid [role=gridcell][data-column=\"0\"]".to_owned();
        page.click(&selector).await;
        assert_eq!(page.text("document.activeElement.id").await, "panel-title");
        let told = page
            .text("document.querySelector('#panel').innerText")
            .await;
        for part in [
            cell.product.as_str(),
            "denied, should be allowed",
            "held by run",
            "emea",
            "222222222222",
            "2026-03-01 07:00:00 UTC",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(told.contains(&hold_command(0)), "{told}");
        page.picture("panel.png").await;
        page.press(&[Key::Escape]).await;
        page.until("closed", "document.querySelector('#panel').hidden")
            .await;
        assert_eq!(page.value(ACTIVE).await, json!(["0", "0"]));

        // The same by keys alone; the headers have panels too.
        page.press(&[Key::Enter]).await;
        page.until("open", "!document.querySelector('#panel').hidden")
            .await;
        page.press(&[Key::Escape, Key::Up, Key::Enter]).await;
        let title = page
            .text("document.querySelector('#panel h2').textContent")
            .await;
        assert!(title.starts_with("emea exp-"), "{title}");
        page.press(&[Key::Escape, Key::Down, Key::Left, Key::Enter])
            .await;
        let told = page
            .text("document.querySelector('#panel').innerText")
            .await;
        assert!(
            told.contains(&format!("pmp-sync why {}", cell.product)),
            "{told}"
        );
        page.click("#panel .bar button").await;
        assert_eq!(page.value(ACTIVE).await, json!(["0", "-1"]));
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn the_grid_is_walked_with_keys_and_told_to_who_does_not_see_it() {
    let model = report(60, 900);
    with_report(&model, |page| async move {
        page.choose("#zoom", "signs").await;
        page.click("#diff").await;
        sees(&page, 901, 60).await;
        // Tab reaches one cell, however many there are.
        let reached = "document.querySelectorAll('#grid [tabindex=\"0\"]').length";
        assert_eq!(page.value(reached).await, 1);
        page.value("document.querySelector('#grid [tabindex=\"0\"]').focus()")
            .await;
        assert_eq!(page.value(ACTIVE).await, json!(["0", "0"]));
        for (keys, row, column) in [
            (&[Key::Down, Key::Down, Key::Right][..], "2", "1"),
            (&[Key::End], "2", "59"),
            (&[Key::Home], "2", "0"),
            (&[Key::Left], "2", "-1"),
            (&[Key::Left, Key::Right, Key::Up, Key::Up], "0", "0"),
            (&[Key::PageUp], "0", "0"),
            (&[Key::Up], "-1", "0"),
            (&[Key::Up], "-1", "0"),
        ] {
            page.press(keys).await;
            assert_eq!(page.value(ACTIVE).await, json!([row, column]), "{keys:?}");
        }
        page.press(&[Key::Down, Key::PageDown, Key::PageDown]).await;
        let row = page.text("document.activeElement.dataset.row").await;
        assert!(row.parse::<u32>().unwrap() > 20, "{row}");
        // What has the focus is seen, and is where its indexes say.
        let seen = "(() => { const cell = document.activeElement.getBoundingClientRect(); const grid = document.querySelector('#grid').getBoundingClientRect(); return cell.top >= grid.top && cell.bottom <= grid.bottom + 1; })()";
        assert_eq!(page.value(seen).await, true);
        assert_eq!(page.value(reached).await, 1);
        let column = page
            .value("Number(document.activeElement.getAttribute('aria-colindex'))")
            .await;
        assert_eq!(column, 2);
        let index = page.value("Number(document.activeElement.parentElement.getAttribute('aria-rowindex')) - Number(document.activeElement.dataset.row)").await;
        assert_eq!(index, 2);
        let label = page
            .text("document.activeElement.getAttribute('aria-label')")
            .await;
        assert!(
            label.contains("allowed") || label.contains("denied"),
            "{label}"
        );
        // The focus stays where it is when it is scrolled out of sight.
        page.value("(document.querySelector('#grid').scrollTop = 15000, null)")
            .await;
        page.until("scrolled", "[...document.querySelectorAll('#grid [role=row]')].some((row) => Number(row.getAttribute('aria-rowindex')) > 600)").await;
        assert_eq!(page.text("document.activeElement.dataset.row").await, row);
        page.press(&[Key::Down]).await;
        let next = row.parse::<u32>().unwrap() + 1;
        assert_eq!(
            page.text("document.activeElement.dataset.row").await,
            next.to_string()
        );

        let order = page.value("(() => { const rows = [...document.querySelectorAll('#grid .body [role=row]')].map((row) => Number(row.getAttribute('aria-rowindex'))); return rows.every((row, at) => at === 0 || row > rows[at - 1]); })()").await;
        assert_eq!(order, true, "rows are not in their order");
        let roles = "['banner', 'main', 'navigation', 'search', 'grid', 'status'].every((role) => document.querySelector(`[role=${role}], ${{ banner: 'body > header', main: 'main', navigation: 'nav' }[role] ?? 'none'}`))";
        assert_eq!(page.value(roles).await, true);
        let last = product(900);
        page.type_into("#q", &last).await;
        page.until("the last", &format!("{ROWS} === 1")).await;
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn the_theme_is_chosen_and_kept_and_the_page_fits_a_narrow_window() {
    with_report(&report(9, 120), |page| async move {
        let background = "getComputedStyle(document.body).backgroundColor";
        assert_eq!(page.text(background).await, "rgb(255, 255, 255)");
        page.click("#theme").await;
        assert_eq!(page.text(background).await, "rgb(14, 17, 22)");
        page.picture("dark.png").await;
        page.refresh().await;
        assert_eq!(page.text(background).await, "rgb(14, 17, 22)");
        page.click("#theme").await;
        assert_eq!(page.text(background).await, "rgb(255, 255, 255)");
        page.resize(1360, 1420).await;
        page.picture("report.png").await;
        page.resize(420, 900).await;
        page.until(
            "it fits",
            "document.documentElement.scrollWidth <= innerWidth",
        )
        .await;
        page.picture("narrow.png").await;
        let (rows, columns) = size(&page).await;
        assert!(rows > 0 && columns > 0);
    });
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn a_command_is_copied() {
    with_report(&report(9, 120), |page| async move {
        let first = "document.querySelector('#attention .command')";
        let command = page
            .text(&format!("{first}.querySelector('code').textContent"))
            .await;
        assert!(command.starts_with("pmp-sync "), "{command}");
        page.click("#attention .command .copy").await;
        let told =
            format!("['Copied', 'Marked'].includes({first}.querySelector('.copy').textContent)");
        page.until("copied", &told).await;
        page.until(
            "it is said",
            "document.querySelector('#said').textContent.includes('pmp-sync ')",
        )
        .await;
        page.value("document.querySelector('#runs').scrollIntoView({ behavior: 'instant' })")
            .await;
        page.picture("runs.png").await;
    });
}
