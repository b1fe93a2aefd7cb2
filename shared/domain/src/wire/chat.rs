//! An announcement as a message for a chat: the custom notification of Amazon Q Developer in chat
//! applications, which brings it to Slack and Microsoft Teams.
//!
//! The shape is that of
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>: `version` is `1.0`,
//! `source` is `custom`, the only `textType` is `client-markdown`, and the description is required.
//! AWS documents no lengths. The bounds here keep each text below the 3,000 characters of a text
//! block in Slack, and the whole below what an SNS message may have.

use serde::{Deserialize, Serialize};

use crate::text::one_line;

/// The most characters of a title.
const MOST_TITLE: usize = 150;
/// The most characters of a description, and of a summary.
const MOST_DESCRIPTION: usize = 2_500;
/// The most next steps, each with at most `MOST_STEP` characters.
const MOST_STEPS: usize = 8;
/// The most characters of a next step.
const MOST_STEP: usize = 500;
/// The most keywords, resources, and entries of the context.
const MOST_ENTRIES: usize = 10;
/// The most characters of each of these.
const MOST_ENTRY: usize = 200;

/// A custom notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Chat {
    /// Always `1.0`.
    pub version: String,
    /// Always `custom`.
    pub source: String,
    /// The id of the announcement.
    pub id: String,
    /// What is shown.
    pub content: ChatContent,
    /// What it is about.
    pub metadata: ChatMetadata,
}

/// What a chat shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatContent {
    /// Always `client-markdown`.
    pub text_type: String,
    /// What happened, and where.
    pub title: String,
    /// What happened, in a sentence.
    pub description: String,
    /// What to do, a step in each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
    /// The kind, the member and the reason, by which it is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
}

/// What a message in a chat is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatMetadata {
    /// Announcements with the same one are shown in one thread: those of a link.
    pub thread_id: String,
    /// The first line of a thread.
    pub summary: String,
    /// The `detail-type` of the event.
    pub event_type: String,
    /// The accounts and experiences that are concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_resources: Vec<String>,
}

/// The parts of an announcement from which its message is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    /// The `detail-type` of the event.
    pub(super) what: &'a str,
    /// Its id.
    pub(super) id: &'a str,
    /// Whom or what it is about, as a few words.
    pub(super) about: &'a str,
    /// What happened, in a sentence.
    pub(super) message: &'a str,
    /// The steps with their commands, as [`crate::hint::Advice`] writes them.
    pub(super) what_to_do: &'a str,
    /// What has the same one belongs together.
    pub(super) thread: &'a str,
    /// The reason code, if there is one.
    pub(super) reason: &'a str,
    /// The accounts and experiences that are concerned.
    pub(super) resources: &'a [&'a str],
}

impl Chat {
    /// The message of an announcement.
    pub(super) fn of(said: Said<'_>) -> Self {
        let title = cut(
            &plain(&format!("{}: {}", said.what, said.about)),
            MOST_TITLE,
        );
        // Advice has `; ` between its steps.
        let steps = said
            .what_to_do
            .split("; ")
            .filter(|step| *step != "nothing");
        let entry = |text: &&str| cut(&plain(text), MOST_ENTRY);
        let keywords = [said.what, said.about, said.reason];
        Self {
            version: "1.0".to_owned(),
            source: "custom".to_owned(),
            id: said.id.to_owned(),
            content: ChatContent {
                text_type: "client-markdown".to_owned(),
                title: title.clone(),
                description: cut(&plain(said.message), MOST_DESCRIPTION),
                next_steps: steps
                    .take(MOST_STEPS)
                    .map(|step| cut(&with_commands(step), MOST_STEP))
                    .collect(),
                keywords: keywords
                    .iter()
                    .filter(|word| !word.is_empty())
                    .map(entry)
                    .collect(),
            },
            metadata: ChatMetadata {
                thread_id: cut(&one_line(said.thread), MOST_ENTRY),
                summary: title,
                event_type: said.what.to_owned(),
                related_resources: said
                    .resources
                    .iter()
                    .take(MOST_ENTRIES)
                    .map(entry)
                    .collect(),
            },
        }
    }
}

/// Text from outside, so that a chat shows it as it is: it mentions nobody, links nowhere and formats
/// nothing.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in one_line(text).chars() {
        match character {
            // Slack reads these as mentions and links.
            '<' => safe.push('\u{2039}'),
            '>' => safe.push('\u{203a}'),
            '`' => safe.push('\''),
            '*' => safe.push('\u{2217}'),
            '[' => safe.push('('),
            ']' => safe.push(')'),
            '@' => safe.push_str("@\u{200b}"),
            other => safe.push(other),
        }
    }
    safe
}

/// A step: what is between backticks is a command, and stays one.
fn with_commands(step: &str) -> String {
    let mut parts: Vec<_> = step.split('`').collect();
    // A backtick without another one is text.
    let odd = (parts.len() % 2 == 0).then(|| parts.pop()).flatten();
    let mut text = String::new();
    for (place, part) in parts.iter().enumerate() {
        if place % 2 == 1 {
            text.push('`');
            text.push_str(&one_line(part).replace(['<', '>'], "'"));
            text.push('`');
        } else {
            text.push_str(&plain(part));
        }
    }
    if let Some(odd) = odd {
        text.push('\'');
        text.push_str(&plain(odd));
    }
    text
}

/// The text, or its beginning with three dots.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let begin: String = text.chars().take(most.saturating_sub(1)).collect();
    // A command that is cut off is none.
    let is_open = begin.matches('`').count() % 2 == 1;
    let begin = if is_open {
        begin
            .rsplit_once('`')
            .map_or(begin.as_str(), |(begin, _)| begin)
    } else {
        begin.as_str()
    };
    format!("{begin}\u{2026}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a>(message: &'a str, what_to_do: &'a str) -> Said<'a> {
        Said {
            what: "Held",
            id: "222222222222/exp-1/7",
            about: "emea exp-1",
            message,
            what_to_do,
            thread: "222222222222/exp-1",
            reason: "PMS-7001",
            resources: &["222222222222", "exp-1"],
        }
    }

    #[test]
    fn what_comes_from_outside_mentions_nobody_and_links_nowhere() {
        let chat = Chat::of(said(
            "<!channel> <@U1> @here *bold* `x` [a](https://example.com)\n\u{1b}[2J",
            "do `pmp-sync holds --products`; see <https://example.com>",
        ));
        let description = &chat.content.description;
        for forbidden in ['<', '>', '*', '`', '[', '\n', '\u{1b}'] {
            assert!(!description.contains(forbidden), "{description}");
        }
        assert!(!description.contains("@here"), "{description}");
        assert_eq!(
            chat.content.next_steps,
            [
                "do `pmp-sync holds --products`",
                "see \u{2039}https://example.com\u{203a}"
            ]
        );
    }

    #[test]
    fn a_message_is_bounded_and_no_command_is_cut_off() {
        let long = "x".repeat(5_000);
        let steps = format!("run `pmp-sync {long}`; then {long}");
        let steps = vec![steps; 20].join("; ");
        let chat = Chat::of(said(&long, &steps));
        assert_eq!(chat.content.description.chars().count(), MOST_DESCRIPTION);
        assert_eq!(chat.content.next_steps.len(), MOST_STEPS);
        assert_eq!(chat.content.next_steps[0], "run \u{2026}");
        for step in &chat.content.next_steps {
            assert!(step.chars().count() <= MOST_STEP);
        }
        let nothing = Chat::of(said("it is over", "nothing"));
        assert_eq!(nothing.content.next_steps, Vec::<String>::new());
    }

    #[test]
    fn a_backtick_without_another_one_begins_no_command() {
        for (step, told) in [
            ("a <b>", "a \u{2039}b\u{203a}"),
            ("a `b", "a 'b"),
            ("a `b` c", "a `b` c"),
            ("a `b` c `d*", "a `b` c 'd\u{2217}"),
            ("`a` `<b>`", "`a` `'b'`"),
        ] {
            assert_eq!(with_commands(step), told);
        }
    }

    #[test]
    fn a_text_is_cut_before_a_command_that_does_not_fit() {
        for (text, most, told) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab\u{2026}"),
            ("a `b`", 5, "a `b`"),
            ("a `b` c", 6, "a `b`\u{2026}"),
            ("a `b` c", 5, "a \u{2026}"),
        ] {
            assert_eq!(cut(text, most), told, "{text} {most}");
        }
    }
}
