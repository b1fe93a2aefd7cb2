//! Whether products are live: before a product is allowed for the first time, AWS Marketplace is asked
//! for it (Discovery API, `GetProduct`: 200 or 404; there is no status field).

use serde::{Deserialize, Serialize};

/// What it means for a link that AWS Marketplace can not be asked about a product. One that is
/// certainly not there is never allowed, unless nobody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveCheck {
    /// It is not allowed until somebody could be asked.
    Require,
    /// It is allowed, and the run says that nobody could be asked.
    #[default]
    Warn,
    /// Nobody is asked.
    Off,
}
