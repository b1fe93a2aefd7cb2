//! Which product a person means who writes its id, its name, a part of its name, or the address of its page
//! in AWS Marketplace. Pure.
//!
//! The id of a page (`prodview-…`, a listing) is not the id of a product (`prod-…` or a UUID), which is what
//! lists contain.

use crate::ids::{InvalidId, ProductId};
use crate::product::ProductDetails;
use crate::suggest::{best, distance_of};

/// The longest text that is understood, in bytes.
pub const LONGEST_TEXT: usize = 2_000;

/// The fewest letters and digits that count as a part of a name: fewer are in every other name.
const SHORTEST_PART: usize = 3;

/// The beginning of every listing id.
const LISTING: &str = "prodview-";
/// The beginning of product ids that are no UUIDs.
const PRODUCT: &str = "prod-";

/// A product of which something is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownProduct {
    /// Its id.
    pub id: ProductId,
    /// Its name. Empty if it is not known.
    pub name: String,
    /// Who makes it. Empty if that is not known.
    pub manufacturer: String,
    /// The id of its page. Empty if that is not known.
    pub listing: String,
}

impl KnownProduct {
    /// A product with what AWS Marketplace says of it.
    pub fn new(id: ProductId, details: Option<&ProductDetails>) -> Self {
        let details = details.cloned().unwrap_or_default();
        Self {
            id,
            name: details.name,
            manufacturer: details.manufacturer,
            listing: details.listing,
        }
    }
}

impl std::fmt::Display for KnownProduct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id)?;
        match (self.name.as_str(), self.manufacturer.as_str()) {
            ("", _) => Ok(()),
            (name, "") => write!(f, " ({name})"),
            (name, manufacturer) => write!(f, " ({name}, by {manufacturer})"),
        }
    }
}

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A product id by its form: a UUID or `prod-…`.
    Id(ProductId),
    /// The id of a page.
    Listing(String),
    /// A name, a part of one, or an id of another form.
    Words(String),
}

/// A text names no product, whatever is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoReference {
    /// Nothing is written.
    #[error("no product is named")]
    Nothing,
    /// It is too long.
    #[error("a text of more than {LONGEST_TEXT} characters names no product")]
    TooLong,
    /// It is no text that somebody writes.
    #[error("a text with control characters names no product")]
    Control,
    /// A URL of another site.
    #[error("{0} is not a page of AWS Marketplace")]
    ElsewhereUrl(String),
    /// A URL of AWS without a product.
    #[error("the URL {0} names no product: it has neither prodview-… nor a product id")]
    UrlOfNoProduct(String),
    /// A URL with an id that cannot be one.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl Reference {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, NoReference> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NoReference::Nothing);
        }
        if text.len() > LONGEST_TEXT {
            return Err(NoReference::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(NoReference::Control);
        }
        if let Some(rest) = without_scheme(text) {
            return Self::of_url(text, rest);
        }
        Ok(Self::of_id(text).unwrap_or_else(|| Self::Words(text.to_owned())))
    }

    /// A text in the form of an id.
    fn of_id(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let is_word = |rest: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !rest.is_empty() && rest.bytes().all(allowed)
        };
        if text.strip_prefix(LISTING).is_some_and(is_word) {
            return Some(Self::Listing(text));
        }
        let is_product = text.strip_prefix(PRODUCT).is_some_and(is_word) || is_uuid(&text);
        is_product
            .then(|| ProductId::new(text).ok())
            .flatten()
            .map(Self::Id)
    }

    /// The product of a URL: in its path, in the path of its fragment, as the console has it, or in its
    /// parameter `productId`.
    fn of_url(url: &str, rest: &str) -> Result<Self, NoReference> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let host = host.to_ascii_lowercase();
        if host != "aws.amazon.com" && !host.ends_with(".aws.amazon.com") {
            return Err(NoReference::ElsewhereUrl(url.to_owned()));
        }
        let mut found = None;
        for part in path.split(['/', '?', '#', '&']) {
            let value = match part.split_once('=') {
                None => part,
                Some((key, value)) if key.eq_ignore_ascii_case("productid") => value,
                // Other parameters say where the reader came from.
                Some(_) => continue,
            };
            found = found.or_else(|| Self::of_id(value));
        }
        found.ok_or_else(|| NoReference::UrlOfNoProduct(url.to_owned()))
    }
}

/// What follows the scheme of a URL. A page of AWS is one without a scheme, too.
fn without_scheme(text: &str) -> Option<&str> {
    let begins = |prefix: &str| {
        let beginning = text.get(..prefix.len())?;
        let rest = text.get(prefix.len()..)?;
        beginning.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    let plain = || begins("aws.amazon.com/").map(|_| text);
    begins("https://")
        .or_else(|| begins("http://"))
        .or_else(plain)
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(is_hex)
}

/// What was found for a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches<'a> {
    /// This one is meant.
    One(&'a KnownProduct),
    /// Each of these may be meant.
    Several(Vec<&'a KnownProduct>),
    /// None is; these have similar names or ids.
    None(Vec<&'a KnownProduct>),
}

/// The products that a text means. An exact id, listing or full name comes before a full name without its punctuation, that before a
/// part of a name, and that before the words of a name in any order, with the manufacturer's.
pub fn find<'a>(reference: &Reference, known: &'a [KnownProduct]) -> Matches<'a> {
    let matching = |is: &dyn Fn(&KnownProduct) -> bool| -> Vec<&'a KnownProduct> {
        known.iter().filter(|product| is(product)).collect()
    };
    let text = match reference {
        Reference::Id(id) => {
            let found = matching(&|product| product.id == *id);
            return decide(vec![found])
                .unwrap_or_else(|| Matches::None(similar(id.as_str(), known)));
        }
        Reference::Listing(listing) => {
            let by_id = matching(&|product| product.id.as_str() == listing);
            let by_listing = matching(&|product| product.listing == *listing);
            let found = decide(vec![by_id, by_listing]);
            return found.unwrap_or_else(|| Matches::None(Vec::new()));
        }
        Reference::Words(text) => text,
    };
    let wanted = normal(text);
    let words: Vec<_> = wanted.split(' ').collect();
    let normals: Vec<_> = known.iter().map(|product| normal(&product.name)).collect();
    let named = |is: &dyn Fn(&KnownProduct, &str) -> bool| -> Vec<&'a KnownProduct> {
        let named = known.iter().zip(&normals);
        let named = named.filter(|(product, name)| !wanted.is_empty() && is(product, name));
        named.map(|(product, _)| product).collect()
    };
    let is_part = is_part(&wanted);
    let levels = vec![
        matching(&|product| product.id.as_str() == text),
        matching(&|product| is_same_name(&product.name, text)),
        named(&|_, name| name == wanted),
        named(&|_, name| is_part && name.contains(&wanted)),
        named(&|product, name| {
            let of_maker = normal(&product.manufacturer);
            let has = |word: &str| name.contains(word) || of_maker.contains(word);
            is_part && !name.is_empty() && words.iter().all(|word| has(word))
        }),
    ];
    decide(levels).unwrap_or_else(|| Matches::None(similar(text, known)))
}

/// True if a text is the full name of a product, except for upper and lower case.
pub fn is_same_name(name: &str, text: &str) -> bool {
    !name.is_empty() && name.trim().to_lowercase() == text.trim().to_lowercase()
}

/// True if a text is long enough to count as a part of a name.
pub fn is_part(text: &str) -> bool {
    let said = text.chars().filter(|char| char.is_alphanumeric());
    said.count() >= SHORTEST_PART
}

/// The first level on which something is found.
fn decide(levels: Vec<Vec<&KnownProduct>>) -> Option<Matches<'_>> {
    let mut found = levels.into_iter().find(|found| !found.is_empty())?;
    found.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    found.dedup();
    Some(match found.as_slice() {
        [one] => Matches::One(one),
        _ => Matches::Several(found),
    })
}

/// Products whose id, name or some words of it are similar to a text.
pub fn similar<'a>(text: &str, known: &'a [KnownProduct]) -> Vec<&'a KnownProduct> {
    let wanted = normal(text);
    let count = wanted.split(' ').count();
    let scored = known.iter().filter_map(|product| {
        let name = normal(&product.name);
        let words: Vec<_> = name.split(' ').collect();
        let some = words.windows(count).map(|words| words.join(" "));
        let by_words = some.filter_map(|part| distance_of(&wanted, &part)).min();
        // Ids are alike by nature, so only a slip of two letters counts.
        let by_id = distance_of(text, product.id.as_str()).filter(|distance| *distance <= 3);
        let by_name = distance_of(&wanted, &name);
        let nearest = [by_words, by_id, by_name].into_iter().flatten().min();
        Some((nearest?, product))
    });
    best(scored.collect())
}

/// A name without what people write differently: case, punctuation, white space.
fn normal(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|char: char| !char.is_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
