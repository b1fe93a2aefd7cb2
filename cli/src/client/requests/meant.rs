//! Which requests an operator means: by a request's id or the beginning of it, or by the product, as every other
//! command understands it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_domain::find_product::{KnownProduct, Matches, Reference, find, is_part, similar};
use pmp_sync_domain::ids::{MemberName, ProductId};
use pmp_sync_domain::records::LiveRecord;
use pmp_sync_domain::suggest::{MOST, nearest};

use super::{KnownRequest, Requests};
use crate::client::context::Context;
use crate::client::products::{failure, resolve_each, stored};
use crate::failure::Failure;
use crate::output;

/// The most requests that a message lists.
const MOST_LISTED: usize = 20;

impl Requests {
    /// The open requests that a text means: a request by its id or the beginning of it, or a product by its id, its
    /// name, a part of its name or its address. Several requests for one product are meant together. An error if it
    /// means several products, or none.
    pub(crate) async fn meant(
        &self,
        context: &Context,
        text: &str,
        member: Option<&MemberName>,
    ) -> Result<Vec<&KnownRequest>, Failure> {
        let open: Vec<_> = self.open().collect();
        let known = known(context, &open, &[text]).await?;
        one(text, member, &open, &known)
    }

    /// The products of these requests that texts mean. A text that means no known product is an error.
    pub(crate) async fn products(
        &self,
        context: &Context,
        texts: &[String],
    ) -> Result<BTreeSet<ProductId>, Failure> {
        let all: Vec<_> = self.all.iter().collect();
        let words: Vec<_> = texts.iter().map(String::as_str).collect();
        let known = known(context, &all, &words).await?;
        let mut found = BTreeSet::new();
        for text in &words {
            let meant = of_products(text, &all, &known);
            if meant.is_empty() {
                check(context, text, &known).await?;
            }
            found.extend(meant.into_iter().cloned());
        }
        Ok(found)
    }
}

/// An error if a text for which nothing is requested names no product at all.
async fn check(context: &Context, text: &str, known: &[KnownProduct]) -> Result<(), Failure> {
    let near = near(text, known);
    if !near.is_empty() {
        let near: Vec<_> = near.iter().map(ToString::to_string).collect();
        output::note(&format!(
            "nothing is requested for {text:?}; did you mean {}?",
            near.join(" or ")
        ));
        return Ok(());
    }
    for meant in resolve_each(context, &[text.to_owned()]).await? {
        meant.map_err(|unresolved| failure(&[unresolved]))?;
    }
    Ok(())
}

/// What is known of the requested products: what the requests say, what the ledger has of them, and whose the pages
/// are that texts name.
async fn known(
    context: &Context,
    requests: &[&KnownRequest],
    texts: &[&str],
) -> Result<Vec<KnownProduct>, Failure> {
    let ids: BTreeSet<_> = requests
        .iter()
        .map(|known| known.request.product.clone())
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: Vec<_> = stored(context, &ids)
        .await
        .iter()
        .map(LiveRecord::known)
        .collect();
    known.extend(requests.iter().map(|known| told(known)));
    for text in texts {
        let Ok(Reference::Listing(listing)) = Reference::parse(text) else {
            continue;
        };
        if known.iter().any(|product| product.listing == listing) {
            continue;
        }
        let directory = ProductDirectory::new(&context.config);
        let products = directory.products_of_listing(&listing).await?;
        let products = products.unwrap_or_default().into_iter();
        known.extend(products.filter(|product| ids.contains(&product.id)));
    }
    Ok(known)
}

/// What a request says of its product.
fn told(known: &KnownRequest) -> KnownProduct {
    let request = &known.request;
    KnownProduct {
        id: request.product.clone(),
        name: request.title.clone().unwrap_or_default(),
        manufacturer: request.manufacturer.clone().unwrap_or_default(),
        listing: String::new(),
    }
}

/// The requested products that a text means.
fn of_products<'a>(
    text: &str,
    requests: &[&'a KnownRequest],
    known: &[KnownProduct],
) -> BTreeSet<&'a ProductId> {
    let products = requests.iter().map(|known| &known.request.product);
    let by_id: BTreeSet<_> = products
        .clone()
        .filter(|id| id.as_str() == text.trim())
        .collect();
    if !by_id.is_empty() {
        return by_id;
    }
    let Ok(reference) = Reference::parse(text) else {
        return BTreeSet::new();
    };
    let found = match find(&reference, known) {
        Matches::One(product) => vec![product],
        Matches::Several(products) => products,
        Matches::None(_) => Vec::new(),
    };
    products
        .filter(|id| found.iter().any(|product| product.id == **id))
        .collect()
}

/// The requests that a text means, if they are for one product.
fn one<'a>(
    text: &str,
    member: Option<&MemberName>,
    open: &[&'a KnownRequest],
    known: &[KnownProduct],
) -> Result<Vec<&'a KnownRequest>, Failure> {
    let all = all(text, open, known)?;
    let of_member = |known: &&&KnownRequest| member.is_none_or(|name| known.member == *name);
    let found: Vec<_> = all.iter().filter(of_member).copied().collect();
    if let (Some(name), [], [_, ..]) = (member, found.as_slice(), all.as_slice()) {
        let members: BTreeSet<_> = all.iter().map(|known| known.member.as_str()).collect();
        let members: Vec<_> = members.into_iter().collect();
        return Err(Failure::Unknown {
            message: format!(
                "{text:?} means no request of {name}, but {} of {}",
                output::count(all.len(), "request"),
                members.join(" and ")
            ),
            remedy: "leave --member out, or name another one".to_owned(),
        });
    }
    let products: BTreeSet<_> = found.iter().map(|known| &known.request.product).collect();
    match products.len() {
        0 => {
            let open: Vec<_> = open.iter().filter(of_member).copied().collect();
            Err(nothing(text, &open, known))
        }
        1 => Ok(found),
        _ => Err(Failure::Unknown {
            message: format!(
                "{text:?} means requests for several products:{}",
                listed(&found)
            ),
            remedy: "name a request or a product by its id".to_owned(),
        }),
    }
}

/// The requests that a text means, of all members.
fn all<'a>(
    text: &str,
    open: &[&'a KnownRequest],
    known: &[KnownProduct],
) -> Result<Vec<&'a KnownRequest>, Failure> {
    let text = text.trim();
    let by = |is_it: &dyn Fn(&KnownRequest) -> bool| -> Vec<&'a KnownRequest> {
        open.iter().copied().filter(|known| is_it(known)).collect()
    };
    let exactly = by(&|known| known.request.request.as_str() == text);
    if !exactly.is_empty() {
        return Ok(exactly);
    }
    let products = of_products(text, open, known);
    let beginning = by(&|known| is_part(text) && known.request.request.as_str().starts_with(text));
    if products.is_empty() && beginning.len() > 1 {
        return Err(Failure::Unknown {
            message: format!(
                "several requests begin with {text:?}:{}",
                listed(&beginning)
            ),
            remedy: "give more of the id".to_owned(),
        });
    }
    let is_meant = |known: &KnownRequest| {
        let begins = |one: &&KnownRequest| std::ptr::eq(*one, known);
        products.contains(&known.request.product) || beginning.iter().any(begins)
    };
    Ok(by(&is_meant))
}

fn nothing(text: &str, open: &[&KnownRequest], known: &[KnownProduct]) -> Failure {
    let message = if open.is_empty() {
        format!("{text:?} means no request: none waits for an answer")
    } else {
        format!(
            "{text:?} means no request that waits for an answer{}:{}",
            meant(text, open, known),
            listed(open)
        )
    };
    Failure::Unknown {
        message,
        remedy: "see `pmp-sync requests`; with --all it lists those that have ended".to_owned(),
    }
}

/// Products that are similar, each once: a request and the ledger may both say something of it.
fn near<'a>(text: &str, known: &'a [KnownProduct]) -> Vec<&'a KnownProduct> {
    let mut seen = BTreeSet::new();
    let mut near = similar(text, known);
    near.retain(|product| seen.insert(&product.id));
    near
}

/// The question behind a text that means nothing: requests with a similar id, or for a product with a similar name.
fn meant(text: &str, open: &[&KnownRequest], known: &[KnownProduct]) -> String {
    let ids = open.iter().map(|known| known.request.request.as_str());
    let ids = nearest(text, ids).into_iter().map(str::to_owned);
    let is_open = |product: &&&KnownProduct| {
        let mut products = open.iter().map(|known| &known.request.product);
        products.any(|id| *id == product.id)
    };
    let products = near(text, known);
    let products = products.iter().filter(is_open).map(ToString::to_string);
    let mut all: Vec<_> = ids.chain(products).collect();
    all.truncate(MOST);
    if all.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", all.join(" or "))
    }
}

fn listed(requests: &[&KnownRequest]) -> String {
    let mut lines = String::new();
    for known in requests.iter().take(MOST_LISTED) {
        let product = known.request.product_words();
        let _ = write!(lines, "\n  {}: {product}", known.name());
    }
    let more = requests.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        let _ = write!(lines, "\n  and {more} more");
    }
    lines
}

#[cfg(test)]
mod tests {
    use pmp_sync_domain::Timestamp;
    use pmp_sync_domain::records::{ProductRequest, RequestState};

    use super::*;

    fn request(member: &str, id: &str, product: &str, title: &str) -> KnownRequest {
        KnownRequest {
            request: ProductRequest {
                schema: 1,
                rev: 1,
                account: "222222222222".parse().unwrap(),
                request: id.parse().unwrap(),
                state: RequestState::Open,
                product: product.parse().unwrap(),
                title: Some(title.to_owned()),
                manufacturer: None,
                experience: "exp-1".parse().unwrap(),
                requester: None,
                requested_at: Some(Timestamp::UNIX_EPOCH),
                expires_at: None,
                ended_at: None,
                recorded_at: Timestamp::UNIX_EPOCH,
                announced_at: None,
            },
            member: member.parse().unwrap(),
            follows: None,
            follows_several: false,
            answer: None,
        }
    }

    fn requests() -> Vec<KnownRequest> {
        vec![
            request("emea", "pr-1111", "prod-1", "Example Database"),
            request("apac", "pr-1122", "prod-1", "Example Database"),
            request("apac", "pr-3333", "prod-2", "Example Database Backup"),
            request("emea", "pr-4444", "prod-r", "Cohere Command R"),
            request("emea", "pr-5555", "prod-plus", "Cohere Command R+"),
        ]
    }

    fn ids(text: &str, member: Option<&str>) -> Result<Vec<String>, String> {
        let all = requests();
        let open: Vec<_> = all.iter().collect();
        let mut known: Vec<_> = all.iter().map(told).collect();
        known.push(KnownProduct {
            listing: "prodview-backup".to_owned(),
            ..told(&all[2])
        });
        let member = member.map(|name| name.parse().unwrap());
        let found = one(text, member.as_ref(), &open, &known);
        let found = found.map_err(|failure| {
            assert_eq!(failure.exit_code(), 5);
            failure.to_string()
        })?;
        let ids = found.iter().map(|known| known.request.request.to_string());
        Ok(ids.collect())
    }

    #[test]
    fn a_request_is_meant_by_its_id_or_its_beginning_and_all_of_a_product_as_products_are_named() {
        for (text, expected) in [
            ("pr-1122", &["pr-1122"][..]),
            ("pr-3", &["pr-3333"]),
            ("prod-1", &["pr-1111", "pr-1122"]),
            ("example database", &["pr-1111", "pr-1122"]),
            ("BACKUP", &["pr-3333"]),
            ("database: backup", &["pr-3333"]),
            ("cohere command r", &["pr-4444"]),
            ("Cohere Command R+", &["pr-5555"]),
            (
                "https://aws.amazon.com/marketplace/pp/prodview-backup?ref_=x",
                &["pr-3333"],
            ),
        ] {
            assert_eq!(ids(text, None).unwrap(), expected, "{text}");
        }
        assert_eq!(ids("prod-1", Some("apac")).unwrap(), ["pr-1122"]);
    }

    #[test]
    fn a_text_that_means_several_products_or_none_lists_the_requests() {
        for (text, part) in [
            ("Example", "several products"),
            ("pr-1", "several requests begin with"),
            ("zzz", "no request"),
            ("", "no request"),
            ("pr", "no request"),
        ] {
            let message = ids(text, None).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
            assert!(
                message.contains("pr-1111 of emea: Example Database (prod-1)"),
                "{message}"
            );
        }
        let message = nothing("x", &[], &[]).to_string();
        assert!(message.contains("none waits"), "{message}");
    }

    #[test]
    fn a_typo_is_a_question_and_another_member_is_named() {
        for (text, question) in [
            (
                "Exmaple Databse Backup",
                "did you mean prod-2 (Example Database Backup)?",
            ),
            ("pr-3334", "did you mean pr-3333?"),
        ] {
            let message = ids(text, None).unwrap_err();
            assert!(message.contains(question), "{message}");
        }
        assert_eq!(
            ids("pr-3333", Some("emea")).unwrap_err(),
            "\"pr-3333\" means no request of emea, but 1 request of apac"
        );
    }
}
