//! Requests as text.

use pmp_sync_domain::notify::Demand;
use pmp_sync_domain::text::one_or;

use crate::client::requests::{IN_THE_CONSOLE, KnownRequest, Requests};
use crate::client::watch::Told;
use crate::output::{self, Column, column};

const COLUMNS: [Column; 11] = [
    column("MEMBER"),
    column("REQUEST"),
    column("PRODUCT").leaves(6),
    column("TITLE").folds(),
    column("EXPERIENCE").leaves(2),
    column("REQUESTER").folds().leaves(4),
    column("REQUESTED").leaves(3),
    column("UNTIL"),
    column("STATE").state(),
    column("ASKED FOR").folds().leaves(1),
    column("ANSWER").folds().leaves(5),
];

/// The requests that are wanted, in words.
pub(super) fn told(requests: &Requests, is_wanted: impl Fn(&KnownRequest) -> bool) -> Told {
    let wanted: Vec<_> = requests
        .all
        .iter()
        .filter(|known| is_wanted(known))
        .collect();
    let rows: Vec<_> = wanted.iter().map(|known| row(requests, known)).collect();
    let mut told = Told::default();
    if rows.is_empty() {
        told.data.push("nothing is requested".into());
    } else {
        told.data = output::table_lines(COLUMNS, rows);
        let hints = "allow a product: `pmp-sync requests approve REQUEST`; decline it: `pmp-sync requests decline REQUEST --reason TEXT`";
        told.notes.push(hints.to_owned());
        told.notes.push(format!("{IN_THE_CONSOLE}."));
    }
    for (member, dropped) in &requests.dropped {
        let count = usize::try_from(dropped.dropped).unwrap_or(usize::MAX);
        told.notes.push(format!(
            "{member}: about {} {} not recorded because there was no room, the last at {}; see the member's console",
            output::count(count, "request"),
            one_or(count, "was", "were"),
            output::time(dropped.last_at),
        ));
    }
    let faults = requests.unreadable.iter();
    told.notes
        .extend(faults.map(|fault| output::fault(None, fault)));
    told
}

fn row(requests: &Requests, known: &KnownRequest) -> Vec<String> {
    let request = &known.request;
    vec![
        known.member.to_string(),
        request.request.to_string(),
        request.product.to_string(),
        output::or_dash(request.title.as_deref()),
        request.experience.to_string(),
        output::or_dash(request.requester.as_deref().map(who)),
        output::age(request.requested_at),
        output::age(Some(request.open_until())),
        requests.state(known).to_string(),
        asked(requests.demand(known)),
        output::or_dash(known.answered()),
    ]
}

/// The part of an ARN behind the account, which says who it is.
fn who(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

/// How often, over all organizations.
fn asked(demand: Demand) -> String {
    match demand {
        Demand { requests: 0, .. } => output::dash(),
        Demand {
            requests,
            members: 1,
        } => requests.to_string(),
        Demand { requests, members } => format!("{requests} in {members} members"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_without_the_account() {
        assert_eq!(
            who("arn:aws:sts::555555555555:assumed-role/Developer/ada"),
            "assumed-role/Developer/ada"
        );
        assert_eq!(who("ada"), "ada");
    }

    #[test]
    fn how_often_a_product_is_asked_for_names_the_members_if_there_are_several() {
        let of = |requests, members| asked(Demand { requests, members });
        assert_eq!(
            [of(0, 0), of(1, 1), of(3, 1), of(3, 2)],
            ["-", "1", "3", "3 in 2 members"]
        );
    }
}
