//! Options of the emulated AWS, and the path to the Catalog API that follows from them.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::EmbeddedError;
use crate::marketplace::Settings;
use crate::proxy::Proxy;

/// The Catalog API that the Lambda functions call.
#[derive(Debug, Clone)]
pub enum Catalog {
    /// Our emulator, with these settings.
    Own(Settings),
    /// Another emulator, at this URL. Nothing is seeded there, and it sends no events.
    Other(String),
}

/// Options of the emulated AWS.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Catalog API that the Lambda functions call.
    pub catalog: Catalog,
    /// It ends automatically after this time.
    pub ttl: Duration,
    /// True to put a proxy before ministack and one before the Catalog API. The Lambda functions
    /// use the proxies, everything else calls directly.
    pub through_proxies: bool,
}

/// Starts a proxy before the Catalog API. Returns it with the URL that leads through it.
pub(super) async fn before_catalog(url: &str) -> Result<(Proxy, String), EmbeddedError> {
    let what = || format!("putting a proxy before {url}");
    let rest = url.strip_prefix("http://");
    let (authority, path) = rest
        .map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len())))
        .unwrap_or_default();
    let upstream: SocketAddr = authority.parse().map_err(|_| {
        EmbeddedError::machine(what(), "the URL is not http:// with an address and a port")
    })?;
    let proxy = Proxy::start(upstream)
        .await
        .map_err(|error| EmbeddedError::machine(what(), error))?;
    let through = format!("{}{path}", proxy.endpoint());
    Ok((proxy, through))
}
