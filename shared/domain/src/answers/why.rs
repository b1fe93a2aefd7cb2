//! Why a product stands as it does on a member experience: one typed answer for each. Pure.
//!
//! Several things may stand in the way of one product at once. The answer is the first of these that
//! holds, so that it names what has to be dealt with first:
//!
//! 1. *failing*: the link cannot be looked at, so nothing else is known.
//! 2. *in sync*: nothing is to be done, whatever else is going on.
//! 3. *open*, in flight: a change set is changing it now, and nothing ends that.
//! 4. *frozen, excluded, protected, observed, additive, quarantined, not live, …*: the plan leaves the
//!    product alone. No approval, no resume and no further run would change it.
//! 5. *suspended*: it is suspended. It comes before holds, as it does in runs: nothing of an approved plan
//!    would start either.
//! 6. *open*, waiting or sent: its change is claimed or on its way under the lane's plan, and the lane
//!    goes on with it even if a newer plan is held.
//! 7. *held*: the plan that it is in waits for approval. It comes before a block: a block is
//!    lifted by the next plan that is committed, and a held one is not.
//! 8. *blocked*: the lane is; every run tries again.
//! 9. *superseded*: its change was closed, or is void, because a newer plan took its place.
//! 10. *planned*: the next run plans it.
//!
//! An outside edit is no reason for a product to differ from what is wanted now, so it is told beside
//! the answer.

mod answer;
mod explain;
mod words;

pub use self::answer::{
    MOST_PRODUCTS, Stage, Verdict, Why, WhyAnswer, WhyLink, WhyReport, WhyRequest,
};
pub use self::explain::{Facts, Seen, why, why_of};
