//! Records of earlier runs that cannot be read.

use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::UnreadableItem;

/// A record of an earlier run. One that cannot be read counts as expired, as every record does one
/// day, and is reported.
#[expect(clippy::result_large_err, reason = "the error of every step on a link")]
pub(crate) fn or_expired<T>(
    read: Result<Option<T>>,
    unreadable: &mut Vec<UnreadableItem>,
) -> std::result::Result<Option<T>, LinkError> {
    match read {
        Err(error) if error.is_unreadable() => {
            unreadable.push(error.into());
            Ok(None)
        }
        read => read.map_err(LinkError::Ledger),
    }
}
