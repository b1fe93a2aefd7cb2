//! Enums with a closed list of words: one line for each variant gives it its word, and everything
//! that follows from it.

/// A word is not on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} {text:?}; there are {known}")]
pub struct UnknownWord {
    /// The kind of word.
    pub kind: &'static str,
    /// The word.
    pub text: String,
    /// The valid words, separated by commas.
    pub known: String,
}

/// Gives an enum `ALL`, `as_str`, `Display` and `FromStr`. The words are those of its serde form, which
/// [`assert_words`] proves; a variant without a line does not compile.
macro_rules! closed_list {
    ($name:ident, $kind:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every variant, in the order of the list.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word by which it is stored, sent, configured and shown.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::closed_list::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::closed_list::UnknownWord> {
                let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
                found.ok_or_else(|| $crate::closed_list::UnknownWord {
                    kind: $kind,
                    text: text.to_owned(),
                    known: Self::ALL.map(Self::as_str).join(", "),
                })
            }
        }
    };
}

pub(crate) use closed_list;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::answers::plan::PreviewDecision;
    use crate::guard::GuardName;
    use crate::lane::BlockReason;
    use crate::link::{LiveCheck, Mode};
    use crate::plan::Reason;
    use crate::policy::{Action, Standing};
    use crate::ports::Closing;
    use crate::records::{ChangeState, DeadLetterOutcome, EditStatus, SetOutcome};
    use crate::run::{LinkStatus, RunStatus};
    use crate::sync_state::SyncState;
    use crate::wire::events::{Condition, EndedBy};

    /// Each word is the serde form, and is read back.
    fn assert_words<T>(all: &[T])
    where
        T: Copy + PartialEq + Debug + Display + FromStr<Err = UnknownWord>,
        T: Serialize + DeserializeOwned,
    {
        for one in all {
            let word = one.to_string();
            assert_eq!(serde_json::to_value(one).unwrap(), word);
            assert_eq!(word.parse(), Ok(*one));
            assert_eq!(serde_json::from_value::<T>(word.into()).unwrap(), *one);
        }
        let unknown = "no such word".parse::<T>().unwrap_err();
        assert!(
            unknown.to_string().contains(&all[0].to_string()),
            "{unknown}"
        );
    }

    #[test]
    fn the_semantics_name_every_mode_and_every_reason() {
        let page = include_str!("../../../docs/semantics.md");
        let modes = Mode::ALL.map(Mode::as_str);
        for word in modes.into_iter().chain(Reason::ALL.map(Reason::as_str)) {
            assert!(page.contains(&format!("`{word}`")), "{word}");
        }
    }

    #[test]
    fn the_command_guide_names_each_reason_beside_its_state() {
        let guide = include_str!("../../../docs/command-guide.md");
        for reason in Reason::ALL {
            let state = reason.state();
            if state != SyncState::Quarantined {
                let begin = format!("| {} |", state.as_str().replace('_', " "));
                let row = guide.lines().find(|line| line.starts_with(&begin));
                let names = row.is_some_and(|row| row.contains(&format!("`{reason}`")));
                assert!(names, "{begin} {reason}");
            }
        }
    }

    #[test]
    fn each_page_that_lists_the_modes_or_the_reasons_lists_all_of_them() {
        let guide = include_str!("../../../docs/command-guide.md");
        let modes = Mode::ALL.map(Mode::as_str);
        assert!(include_str!("../../../README.md").contains(&modes.join(" | ")));
        assert!(guide.contains(&format!("[--mode {}]", modes.join("|"))));
        assert!(guide.contains(&format!("member mode NAME {} ", modes.join("|"))));
        let words = include_str!("../../../docs/architecture.md");
        let row = words.lines().find(|line| line.starts_with("| mode |"));
        let answer = guide.lines().find(|line| line.contains("| `left_alone`,"));
        for word in modes {
            assert!(row.unwrap().contains(&format!("*{word}*")), "{word}");
        }
        for word in Reason::ALL.map(Reason::as_str) {
            assert!(answer.unwrap().contains(&format!("`{word}`")), "{word}");
        }
    }

    #[test]
    fn the_word_of_every_list_is_what_is_stored_and_is_read_back() {
        assert_words(&Action::ALL);
        assert_words(&BlockReason::ALL);
        assert_words(&ChangeState::ALL);
        assert_words(&Closing::ALL);
        assert_words(&Condition::ALL);
        assert_words(&DeadLetterOutcome::ALL);
        assert_words(&EditStatus::ALL);
        assert_words(&EndedBy::ALL);
        assert_words(&GuardName::ALL);
        assert_words(&LinkStatus::ALL);
        assert_words(&LiveCheck::ALL);
        assert_words(&Mode::ALL);
        assert_words(&PreviewDecision::ALL);
        assert_words(&Reason::ALL);
        assert_words(&RunStatus::ALL);
        assert_words(&SetOutcome::ALL);
        assert_words(&Standing::ALL);
        assert_words(&SyncState::ALL);
    }
}
