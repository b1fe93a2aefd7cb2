//! How large the report of 200 members and 2,000 products is, and how long it takes to be usable.

use std::time::Instant;

use pmp_sync_report::render;

use crate::browser::with_page;
use crate::sample::report;

/// What a page may have at most, in bytes.
const MOST_BYTES: usize = 5_000_000;

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn two_hundred_members_and_two_thousand_products_are_small_and_quick() {
    let model = report(200, 2_000);
    let began = Instant::now();
    let page = render(&model);
    let rendered = began.elapsed();
    let bytes = page.len();
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
    with_page(&page, move |page| async move {
        // The first time with everything cold, then again.
        for time in ["cold", "warm", "warm"] {
            if time == "warm" {
                page.refresh().await;
            }
            let usable = "performance.getEntriesByName('pmp-sync-usable')[0].startTime";
            let usable = page.value(usable).await.as_f64().unwrap();
            println!(
                "200 x 2000: {bytes} bytes, rendered in {rendered:?}, usable {usable:.0} ms after navigation ({time})"
            );
        }
        page.picture("large.png").await;
        // Everything, not only what differs: 400,000 cells, of which only those that are seen are there.
        page.click("#diff").await;
        page.until(
            "everything",
            "document.querySelector('#grid').getAttribute('aria-rowcount') === '2002'",
        )
        .await;
        let cells = page
            .value("document.querySelectorAll('#grid [role=gridcell]').length")
            .await;
        let cells = cells.as_u64().unwrap();
        assert!(
            (100..6_000).contains(&cells),
            "{cells} cells are in the document"
        );
        let filter = "(() => { const began = performance.now(); document.querySelector('#q').value = 'prod-1'; document.querySelector('#filters').dispatchEvent(new Event('input', { bubbles: true })); return performance.now() - began; })()";
        let filter = page.value(filter).await.as_f64().unwrap();
        println!("200 x 2000: a filter takes {filter:.0} ms; {cells} cells in the document");
        page.value("document.querySelector('#matrix').scrollIntoView({ behavior: 'instant' })")
            .await;
        page.picture("large-all.png").await;
        page.choose("#zoom", "dense").await;
        page.picture("large-dense.png").await;
    });
}
