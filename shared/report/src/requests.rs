//! What users of the members request: a table, those that expire first before the others.

use std::fmt::Write as _;

use crate::html::{escaped, number, time, unbroken};
use crate::model::{Model, Requested};

/// The most requests on the page.
const MOST: usize = 1_000;

pub(crate) fn section(model: &Model) -> String {
    let all = &model.requests;
    let mut text = format!(
        "<section id=\"requests\" aria-labelledby=\"requests-title\">\n<h2 id=\"requests-title\">Requests <span class=\"n\">{}</span></h2>\n\
         <p class=\"note\">What users of the members request. Each is answered in the member's console.</p>\n",
        number(all.len())
    );
    if model.dropped_requests > 0 {
        let _ = writeln!(
            text,
            "<p class=\"note\">About {} more were not recorded, because there was no room for them.</p>",
            number(usize::try_from(model.dropped_requests).unwrap_or(usize::MAX))
        );
    }
    if all.is_empty() {
        text.push_str("<p class=\"calm\">None waits for an answer.</p>\n</section>\n");
        return text;
    }
    text.push_str(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Requests, as a table\" tabindex=\"0\"><table>\n<thead><tr>\
         <th scope=\"col\">Product</th><th scope=\"col\">Title</th><th scope=\"col\">Member</th><th scope=\"col\">Experience</th>\
         <th scope=\"col\">Requester</th><th scope=\"col\">Requested (UTC)</th><th scope=\"col\">Until (UTC)</th>\
         <th scope=\"col\" class=\"r\">Asked for</th><th scope=\"col\">Answer</th></tr></thead>\n<tbody>\n",
    );
    let mut shown: Vec<_> = all.iter().collect();
    shown.sort_by_key(|request| (request.until, &request.member, &request.request));
    for request in shown.into_iter().take(MOST) {
        text.push_str(&row(request));
    }
    text.push_str("</tbody></table></div>\n");
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(text, "<p class=\"note\">And {} more.</p>", number(more));
    }
    text.push_str("</section>\n");
    text
}

/// A principal without the beginning of its ARN, which the columns beside it tell. It may be broken behind its slashes.
fn requester(arn: &str) -> String {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    let pieces = name.split_inclusive('/').map(unbroken);
    pieces.collect::<Vec<_>>().join("<wbr>")
}

fn row(request: &Requested) -> String {
    let or_dash =
        |text: Option<&String>| text.map_or_else(|| "–".to_owned(), |text| unbroken(text));
    format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td class=\"w\">{}</td><td>{}</td><td><code>{}</code></td><td class=\"w\">{}</td><td>{}</td><td>{}</td><td class=\"r\">{}</td><td class=\"w\">{}</td></tr>\n",
        escaped(&request.product),
        or_dash(request.title.as_ref()),
        unbroken(&request.member),
        escaped(&request.experience),
        request
            .requester
            .as_deref()
            .map_or_else(|| "–".to_owned(), requester),
        request.since.map_or_else(|| "–".to_owned(), time),
        time(request.until),
        number(request.asked),
        or_dash(request.answer.as_ref()),
    )
}
