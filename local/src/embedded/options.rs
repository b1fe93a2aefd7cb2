//! How the embedded AWS is to be started, and the way to the Catalog API that follows from it.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Catalog, EmbeddedError};
use crate::proxy::Proxy;

/// How the embedded AWS is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which Catalog API the Lambdas talk to.
    pub catalog: Catalog,
    /// It ends by itself after this.
    pub ttl: Duration,
    /// True to put a proxy before ministack and one before the Catalog API: the Lambdas go through
    /// them, everybody else goes directly.
    pub through_proxies: bool,
}

/// A proxy before the Catalog API, and the URL that leads through it.
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
