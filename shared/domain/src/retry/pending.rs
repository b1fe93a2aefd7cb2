//! Retries that are still to come.

use jiff::Timestamp;

use super::still_missed;
use crate::records::{MOST_PENDING, PendingRetry, RunRecord};
use crate::wire::LinkRetry;

impl RunRecord {
    /// Remembers a retry that was sent, if there is room.
    pub fn will_retry(&mut self, retry: &LinkRetry, due: Timestamp) {
        if self.retries.len() < MOST_PENDING {
            self.retries.push(PendingRetry {
                number: retry.number,
                due,
                scope: retry.scope.clone(),
            });
        }
    }
}

/// The retries that are still to come: those of these runs that no newer run has made unnecessary. `runs` are
/// in any order.
pub fn pending_retries(runs: &[RunRecord]) -> Vec<PendingRetry> {
    let of_run = |run: &RunRecord| {
        let since = run.started_at;
        let left = run.retries.iter().filter_map(move |retry| {
            let asked = LinkRetry {
                id: String::new(),
                number: retry.number,
                run: None,
                since,
                scope: retry.scope.clone(),
            };
            let scope = still_missed(&asked, runs)?;
            Some(PendingRetry {
                scope,
                ..retry.clone()
            })
        });
        left.collect::<Vec<_>>()
    };
    let mut all: Vec<_> = runs.iter().flat_map(of_run).collect();
    all.sort_by_key(|retry| retry.due);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunId;
    use crate::wire::Scope;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn of_member(name: &str) -> Scope {
        Scope {
            members: vec![name.parse().unwrap()],
            ..Scope::default()
        }
    }

    fn run(started_at: i64, scope: Scope) -> RunRecord {
        let mut run = RunRecord::new(RunId::next(None, 1, 0), 1, vec![scope], at(started_at));
        run.planned_at = Some(at(started_at));
        run
    }

    #[test]
    fn a_retry_is_pending_until_a_newer_run_has_tried_its_links() {
        let mut missed = run(10, Scope::default());
        let retry = LinkRetry {
            id: "r".to_owned(),
            number: 1,
            run: None,
            since: at(10),
            scope: of_member("emea"),
        };
        missed.will_retry(&retry, at(70));
        let other = run(20, of_member("apac"));
        let pending = pending_retries(&[other.clone(), missed.clone()]);
        assert_eq!(pending.len(), 1);
        assert_eq!((pending[0].number, pending[0].due), (1, at(70)));
        let again = run(30, of_member("emea"));
        assert_eq!(pending_retries(&[again, other, missed]), []);
    }

    #[test]
    fn what_a_newer_run_has_tried_is_no_longer_part_of_a_pending_retry() {
        let mut missed = run(10, Scope::default());
        let both = Scope {
            members: ["emea", "apac"].map(|name| name.parse().unwrap()).into(),
            ..Scope::default()
        };
        let retry = LinkRetry {
            id: "r".to_owned(),
            number: 2,
            run: None,
            since: at(10),
            scope: both,
        };
        missed.will_retry(&retry, at(70));
        let pending = pending_retries(&[run(20, of_member("apac")), missed]);
        let left = PendingRetry {
            number: 2,
            due: at(70),
            scope: of_member("emea"),
        };
        assert_eq!(pending, [left]);
    }

    #[test]
    fn a_run_keeps_so_many_retries() {
        let mut run = run(0, Scope::default());
        let retry = LinkRetry {
            id: "r".to_owned(),
            number: 1,
            run: None,
            since: at(0),
            scope: Scope::default(),
        };
        for _ in 0..=MOST_PENDING {
            run.will_retry(&retry, at(1));
        }
        assert_eq!(run.retries.len(), MOST_PENDING);
    }
}
