//! The state of a product on a member experience, explained by one typed answer. Pure.
//!
//! Several reasons may apply to a product at once. The answer is the first of these that applies,
//! so that it names what has to be resolved first:
//!
//! 1. *failing*: the link cannot be observed, so nothing else is known.
//! 2. *in sync*: nothing has to be done, whatever else is going on.
//! 3. *open*, in flight: a change set is changing it now, and nothing stops that.
//! 4. *frozen, excluded, protected, observed, additive, quarantined, not live, …*: the plan leaves the
//!    product alone. No approval, no resume and no further run would change it.
//! 5. *suspended*: it comes before holds, as in runs, because nothing of an approved plan would
//!    start either.
//! 6. *open*, waiting or sent: its change is claimed or on its way under the lane's plan, and the
//!    lane continues with it even if a newer plan is held.
//! 7. *held*: the plan that contains it waits for approval. It comes before a block, because the
//!    next committed plan lifts a block, and a held plan is not committed.
//! 8. *blocked*: the lane is blocked. Every run tries again.
//! 9. *superseded*: its change was closed, or is void, because a newer plan replaced it.
//! 10. *planned*: the next run plans it.
//!
//! An outside edit is no reason why a product differs from what is wanted now, so it is reported
//! beside the answer.

mod answer;
mod explain;
mod words;

pub use self::answer::{MOST_PRODUCTS, Stage, Why, WhyAnswer, WhyLink, WhyReport, WhyRequest};
pub use self::explain::{Facts, Seen, why, why_of};
