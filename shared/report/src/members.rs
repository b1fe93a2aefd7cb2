//! The members, beginning with the one that was in sync the longest ago. It is a table, so that it
//! works without scripts and for everybody. The bars only repeat what it says.

use std::fmt::Write as _;

use jiff::Timestamp;
use pmp_sync_domain::time::whole_seconds;

use crate::html::{age, count, escaped, number, time, unbroken};
use crate::model::{Link, Model};

/// Length of the longest bar, in pixels.
const WIDTH: i64 = 64;

/// Seconds since it was last in sync. The largest number if it never was.
fn behind(link: &Link, now: Timestamp) -> i64 {
    link.last_in_sync
        .map_or(i64::MAX, |since| whole_seconds(since, now))
}

pub(crate) fn section(model: &Model) -> String {
    let now = model.made_at;
    let mut links: Vec<_> = model.links.iter().collect();
    links.sort_by_key(|link| {
        (
            -behind(link, now).min(i64::MAX - 1),
            &link.member,
            &link.experience,
        )
    });
    let known = links.iter().map(|link| behind(link, now));
    let longest = known.filter(|seconds| *seconds < i64::MAX).max();
    // At least a day, or five minutes would look like a disaster.
    let longest = longest.unwrap_or_default().max(86_400);
    let mut text = format!(
        "<section id=\"members\" aria-labelledby=\"members-title\">\n<h2 id=\"members-title\">Members <span class=\"n\">{}</span></h2>\n\
         <p class=\"note\">By how long ago each was last known in sync. Stale after {} h; observed, suspended and frozen links never are.</p>\n\
         <div class=\"scroll\" role=\"region\" aria-label=\"Members, as a table\" tabindex=\"0\"><table>\n<thead><tr>\
         <th scope=\"col\">Member</th><th scope=\"col\">Experience</th><th scope=\"col\">Mode</th><th scope=\"col\">State</th>\
         <th scope=\"col\" class=\"r\">Differ</th><th scope=\"col\" class=\"r\">Open</th><th scope=\"col\" class=\"r\">Quarantined</th>\
         <th scope=\"col\" class=\"r\">Dead letters</th><th scope=\"col\">Last in sync (UTC)</th><th scope=\"col\">Behind</th></tr></thead>\n<tbody>\n",
        count(model.links.len(), "experience"),
        model.stale_after_hours
    );
    for link in links {
        text.push_str(&row(link, now, longest));
    }
    text.push_str("</tbody></table></div>\n</section>\n");
    text
}

fn row(link: &Link, now: Timestamp, longest: i64) -> String {
    let (class, glyph, words) = (link.state.as_str(), link.state.sign(), link.state.text());
    let mut text = format!(
        "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td>{}</td><td class=\"s-{class}\"><span class=\"glyph\" aria-hidden=\"true\">{glyph}</span> {words}",
        unbroken(&link.member),
        escaped(link.experience.as_deref().unwrap_or("*")),
        link.mode,
    );
    if let Some(since) = link.frozen_since {
        let _ = write!(text, ", frozen {}", age(since, now));
    }
    if let Some(fault) = &link.fault {
        let _ = write!(text, ": {}", escaped(&fault.code));
    }
    let unknown = |known: bool, of: usize| {
        if known { number(of) } else { "?".to_owned() }
    };
    let letters = link.dead_letters.map_or_else(|| "?".to_owned(), number);
    let _ = write!(
        text,
        "</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{letters}</td>",
        unknown(link.fault.is_none(), link.differing.len()),
        number(link.open),
        number(link.quarantined),
    );
    let seconds = behind(link, now);
    let width = (seconds.min(longest) * WIDTH / longest).max(1);
    let told = link
        .last_in_sync
        .map_or_else(|| "never".to_owned(), |at| age(at, now));
    let when = link.last_in_sync.map_or_else(|| "–".to_owned(), time);
    let stale = if link.stale {
        " <b class=\"s-stale\">◷ stale</b>"
    } else {
        ""
    };
    let class = if link.stale { "bar stale" } else { "bar" };
    let _ = writeln!(
        text,
        "<td>{when}</td><td class=\"behind\"><svg class=\"{class}\" width=\"{WIDTH}\" height=\"8\" aria-hidden=\"true\"><rect width=\"{width}\" height=\"8\" rx=\"1\"/></svg> {told}{stale}</td></tr>"
    );
    text
}
