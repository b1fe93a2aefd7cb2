//! What comes from outside stays text.

use pmp_sync_domain::answers::report::Differing;

use crate::browser::with_report;
use crate::sample::report;

const HOSTILE: &str = "</script><img src=x onerror=\"document.title='broken'\">\u{2028}'\"&amp;";
/// The worst that is taken as an id.
const PRODUCT: &str = "</script><img/src=x/onerror=document.title=1>&amp;";

#[test]
#[ignore = "needs Chromium and chromedriver: cargo test -p pmp-sync-tests --test browser -- --ignored"]
fn hostile_ids_and_words_are_shown_as_text() {
    let mut model = report(3, 20);
    let cell = Differing {
        product: PRODUCT.parse().unwrap(),
        ..model.links[0].differing[0].clone()
    };
    model.links[0].differing.push(cell);
    model.links[0].member = HOSTILE.to_owned();
    model.links[0].experience = Some(HOSTILE.to_owned());
    model.management[0].allowed.push(PRODUCT.parse().unwrap());
    for reason in &mut model.reasons {
        reason.words = HOSTILE.to_owned();
        reason.command = Some(HOSTILE.to_owned());
    }
    for item in &mut model.attention {
        item.about = HOSTILE.to_owned();
        item.message = vec![HOSTILE.to_owned()];
        item.command = Some(HOSTILE.to_owned());
    }
    model.name = HOSTILE.to_owned();
    model.runs[0].requests[0].kind = HOSTILE.to_owned();
    with_report(&model, |page| async move {
        assert_eq!(page.value("document.images.length").await, 0);
        assert_eq!(page.value("document.scripts.length").await, 2);
        let title = page.text("document.title").await;
        assert!(title.contains("</script>"), "{title}");
        let shown = serde_json::json!(HOSTILE).to_string();
        for (selector, what) in [
            ("h1", "the name"),
            ("#attention h4", "whom it is about"),
            ("#attention .command code", "the command"),
            ("#members th code, #members tbody th", "a member"),
        ] {
            let all = format!(
                "[...document.querySelectorAll('{selector}')].some((one) => one.textContent.includes({shown}))"
            );
            assert_eq!(page.value(&all).await, true, "{what}");
        }
        page.type_into("#q", "onerror").await;
        page.until(
            "one product",
            "document.querySelector('#grid').getAttribute('aria-rowcount') === '2'",
        )
        .await;
        page.click("#grid [role=gridcell]").await;
        let title = page
            .text("document.querySelector('#panel h2').textContent")
            .await;
        assert_eq!(title, PRODUCT);
        let ask = page
            .text("[...document.querySelectorAll('#panel .command code')].at(-1).textContent")
            .await;
        assert!(ask.starts_with("pmp-sync why '</script>"), "{ask}");
        assert!(ask.contains(r"'\''"), "{ask}");
        assert_eq!(page.value("document.images.length").await, 0);
    });
}
