//! The limits of AWS that the fakes enforce.

use std::collections::BTreeMap;
use std::io::{self, Write};

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::Result;
use serde::Serialize;

/// The most bytes of an item of DynamoDB.
pub const MOST_ITEM: usize = 400 * 1024;
/// The most bytes of a message of SQS, with its attributes.
pub const MOST_MESSAGE: usize = 1024 * 1024;
/// The most bytes of an entry of `PutEvents`. AWS accepts larger ones today; a bus that a stack of
/// an older kind has made need not.
pub const MOST_EVENT: usize = 256 * 1024;
/// The most bytes of the answer of a Lambda function.
pub const MOST_ANSWER: usize = 6 * 1024 * 1024;

/// Counts bytes.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The length of a record in JSON. In an item it takes about as much: a number or a name is as
/// long, and quotes and commas stand for the bytes that DynamoDB counts for each entry.
pub fn size(record: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, record) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

/// Refuses an item above the limit, as DynamoDB does.
pub(crate) fn check_item(
    operation: &'static str,
    thing: &str,
    record: &impl Serialize,
) -> Result<()> {
    check(operation, thing, size(record), MOST_ITEM)
}

/// Refuses what is larger than the service accepts.
pub(crate) fn check(operation: &'static str, thing: &str, found: usize, most: usize) -> Result<()> {
    if found <= most {
        return Ok(());
    }
    Err(ServiceError {
        operation,
        thing: thing.to_owned(),
        kind: Kind::Refused,
        code: Some("ValidationException".to_owned()),
        message: format!("{found} bytes exceed the limit of {most}"),
    })
}

/// Refuses a dead letter that is larger than a message may be, with its attributes.
pub(crate) fn check_letter(body: &str, attributes: &BTreeMap<&'static str, String>) -> Result<()> {
    let of_one = |(name, value): (&&str, &String)| name.len() + "String".len() + value.len();
    let bytes = body.len() + attributes.iter().map(of_one).sum::<usize>();
    check("SendMessage", "dead letters", bytes, MOST_MESSAGE)
}
