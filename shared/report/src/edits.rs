//! Outside edits: what somebody else has changed and still differs, as the matrix has it.

use std::fmt::Write as _;

use crate::html::{age, escaped, number, time, unbroken};
use crate::model::Model;

/// The most edits on the page.
const MOST: usize = 500;

pub(crate) fn section(model: &Model) -> String {
    let mut all = Vec::new();
    for link in &model.links {
        let edited = link.differing.iter();
        let edited = edited.filter_map(|cell| Some((cell.edited_since?, link, cell)));
        all.extend(edited);
    }
    let mut text = format!(
        "<section id=\"edits\" aria-labelledby=\"edits-title\">\n<h2 id=\"edits-title\">Outside edits <span class=\"n\">{}</span></h2>\n\
         <p class=\"note\">Products that somebody else has changed on a member experience, and that differ for that reason.</p>\n",
        number(all.len())
    );
    if all.is_empty() {
        text.push_str("<p class=\"calm\">None.</p>\n</section>\n");
        return text;
    }
    all.sort_by_key(|(since, link, cell)| (*since, &link.member, &cell.product));
    text.push_str(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Outside edits, as a table\" tabindex=\"0\"><table>\n<thead><tr>\
         <th scope=\"col\">Product</th><th scope=\"col\">Id</th><th scope=\"col\">Member</th><th scope=\"col\">Experience</th>\
         <th scope=\"col\">Now</th><th scope=\"col\">Should be</th><th scope=\"col\">Seen since (UTC)</th></tr></thead>\n<tbody>\n",
    );
    for (since, link, cell) in all.iter().take(MOST) {
        let name = model.names.of(&cell.product).unwrap_or("–");
        let goal = match cell.wanted {
            pmp_sync_domain::policy::Action::Allow => "allowed",
            pmp_sync_domain::policy::Action::Deny => "denied",
        };
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\" class=\"w\">{}</th><td><code>{}</code></td><td>{}</td><td><code>{}</code></td><td>{}</td><td>{goal}</td><td>{} ({})</td></tr>",
            unbroken(name),
            escaped(cell.product.as_str()),
            unbroken(&link.member),
            escaped(link.experience.as_deref().unwrap_or("*")),
            cell.standing,
            time(*since),
            age(*since, model.made_at),
        );
    }
    text.push_str("</tbody></table></div>\n");
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(text, "<p class=\"note\">And {} more.</p>", number(more));
    }
    text.push_str("</section>\n");
    text
}
