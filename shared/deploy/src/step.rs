//! The next step for a stack, decided from its status alone. Pure.

use aws_sdk_cloudformation::types::StackStatus;

/// The wanted end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Deployed as the template and the parameters say.
    Deployed,
    /// Deleted.
    Gone,
}

/// The next step. After every step except `Done`, `Create`, `Update` and `Stuck` the status is read
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create the stack by a change set.
    Create,
    /// Update the stack by a change set.
    Update,
    /// Wait for the operation that is under way.
    Wait,
    /// Delete the stack.
    Delete,
    /// Nothing to do.
    Done,
    /// An operator must act. The text says what to do.
    Stuck(&'static str),
}

/// The remedy for an update whose rollback failed.
const CONTINUE_ROLLBACK: &str = "see in its events what could not be undone, deal with that, run `aws cloudformation continue-update-rollback --stack-name STACK`, and then this command again";

/// Decides the step for a status. `None` means that the stack does not exist.
pub(crate) fn next(status: Option<&StackStatus>, wish: Wish) -> Step {
    use StackStatus as S;
    let Some(status) = status else {
        return match wish {
            Wish::Deployed => Step::Create,
            Wish::Gone => Step::Done,
        };
    };
    match (status, wish) {
        (S::DeleteComplete, Wish::Gone) => Step::Done,
        // A first change set was created and never executed: only the name exists.
        (S::DeleteComplete | S::ReviewInProgress, Wish::Deployed) => Step::Create,
        (
            S::CreateInProgress
            | S::RollbackInProgress
            | S::DeleteInProgress
            | S::UpdateInProgress
            | S::UpdateCompleteCleanupInProgress
            | S::UpdateRollbackInProgress
            | S::UpdateRollbackCompleteCleanupInProgress
            | S::ImportInProgress
            | S::ImportRollbackInProgress,
            _,
        ) => Step::Wait,
        (_, Wish::Gone) => Step::Delete,
        // Its creation failed: it cannot be updated, only deleted.
        (S::RollbackComplete | S::RollbackFailed | S::CreateFailed | S::DeleteFailed, _) => {
            Step::Delete
        }
        (S::UpdateRollbackFailed | S::UpdateFailed | S::ImportRollbackFailed, _) => {
            Step::Stuck(CONTINUE_ROLLBACK)
        }
        (
            S::CreateComplete
            | S::UpdateComplete
            | S::UpdateRollbackComplete
            | S::ImportComplete
            | S::ImportRollbackComplete,
            _,
        ) => Step::Update,
        _ => Step::Stuck("this release does not know its status: look at it in the console"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_step_and_only_a_whole_stack_is_updated() {
        for status in StackStatus::values() {
            let status = StackStatus::from(*status);
            let is_whole = matches!(
                status,
                StackStatus::CreateComplete
                    | StackStatus::UpdateComplete
                    | StackStatus::UpdateRollbackComplete
                    | StackStatus::ImportComplete
                    | StackStatus::ImportRollbackComplete
            );
            let step = next(Some(&status), Wish::Deployed);
            assert_eq!(step == Step::Update, is_whole, "{status}: {step:?}");
            let is_busy = status.as_str().ends_with("_IN_PROGRESS")
                && status != StackStatus::ReviewInProgress;
            assert_eq!(step == Step::Wait, is_busy, "{status}: {step:?}");
            let unknown = "this release does not know";
            assert!(
                !matches!(step, Step::Stuck(words) if words.starts_with(unknown)),
                "{status}"
            );
        }
    }

    #[test]
    fn what_never_was_is_created_and_a_failed_creation_deleted_first() {
        assert_eq!(next(None, Wish::Deployed), Step::Create);
        for (status, step) in [
            (StackStatus::ReviewInProgress, Step::Create),
            (StackStatus::DeleteComplete, Step::Create),
            (StackStatus::RollbackComplete, Step::Delete),
            (StackStatus::RollbackFailed, Step::Delete),
            (StackStatus::CreateFailed, Step::Delete),
            (StackStatus::DeleteFailed, Step::Delete),
            (
                StackStatus::UpdateRollbackFailed,
                Step::Stuck(CONTINUE_ROLLBACK),
            ),
        ] {
            assert_eq!(next(Some(&status), Wish::Deployed), step, "{status}");
        }
    }

    #[test]
    fn whatever_there_is_is_deleted_once_nothing_is_under_way() {
        assert_eq!(next(None, Wish::Gone), Step::Done);
        for status in StackStatus::values() {
            let status = StackStatus::from(*status);
            let expected = match status {
                StackStatus::DeleteComplete => Step::Done,
                StackStatus::ReviewInProgress => Step::Delete,
                ref other if other.as_str().ends_with("_IN_PROGRESS") => Step::Wait,
                _ => Step::Delete,
            };
            assert_eq!(next(Some(&status), Wish::Gone), expected, "{status}");
        }
    }
}
