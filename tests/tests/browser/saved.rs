//! The table for a spreadsheet: by the page's button, of what is shown.

use pmp_sync_report::to_csv;

use crate::browser::{Page, with_report};
use crate::sample::report;

/// Keeps what the button would save, and saves nothing.
const CATCH: &str = "window.saved = null; HTMLAnchorElement.prototype.click = function () { window.named = this.download; }; URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return 'blob:none'; };";

async fn saved(page: &Page) -> String {
    page.run("window.saved = null").await;
    page.click("#csv").await;
    page.until("saved", "typeof window.saved === 'string'")
        .await;
    page.text("window.saved").await
}

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn what_is_shown_is_saved_as_the_command_writes_it() {
    let mut model = report(9, 120);
    model.reasons[0].words = "=HYPERLINK(\"x\"), \"quoted\"\nand broken".to_owned();
    let expected = to_csv(&model);
    with_report(&model, move |page| async move {
        page.run(CATCH).await;
        assert_eq!(saved(&page).await, expected);
        let name = page.text("window.named").await;
        assert_eq!(name, "pmp-sync-2026-03-01.csv");
        // A filter narrows it.
        page.click(".tile[data-state=held]").await;
        let held = saved(&page).await;
        let lines: Vec<_> = held.split("\r\n").filter(|line| !line.is_empty()).collect();
        assert!(lines.len() > 3, "{held}");
        for line in &lines[1..] {
            assert!(line.starts_with("emea,222222222222,exp-"), "{line}");
        }
        // Everything, also what is in sync.
        page.click("#clear").await;
        page.click("#diff").await;
        let all = saved(&page).await;
        assert!(all.contains(",in sync,"), "{all}");
        assert!(all.matches("\r\n").count() > expected.matches("\r\n").count());
        page.type_into("#q", "no such product").await;
        page.until("nothing", "document.querySelector('#csv').disabled")
            .await;
    });
}
