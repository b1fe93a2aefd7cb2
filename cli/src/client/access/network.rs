//! The way to AWS: proxies and certificates of the environment, by the variables of the AWS CLI.

use std::net::IpAddr;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::failure::Failure;

/// The variables that name proxies, each in capitals and in small letters.
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The HTTP client of every call. `bundle` is what the profile says of certificates, and the
/// environment takes precedence over it.
pub(super) fn client(bundle: Option<&str>) -> Result<SharedHttpClient, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let context = match (variable(CA_BUNDLE), bundle) {
        (Some(file), _) => trusting(CA_BUNDLE, &file)?,
        (None, Some(file)) => trusting("ca_bundle of the profile", file)?,
        (None, None) => TlsContext::default(),
    };
    let proxies = PROXIES
        .iter()
        .filter_map(|name| Some((*name, variable(name)?)));
    let mut is_proxied = false;
    for (name, proxy) in proxies {
        checked(name, &proxy)?;
        is_proxied = true;
    }
    let direct = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context.clone())
        .build_https();
    if !is_proxied {
        return Ok(direct);
    }
    let proxied = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .build()
    });
    Ok(http_client_fn(move |settings, components| {
        SharedHttpConnector::new(ByHost {
            direct: direct.http_connector(settings, components),
            proxied: proxied.http_connector(settings, components),
        })
    }))
}

/// Sends what is for this machine without a proxy, as an emulated AWS expects it.
#[derive(Debug)]
struct ByHost {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for ByHost {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_loopback(request.uri()) {
            self.direct.call(request)
        } else {
            self.proxied.call(request)
        }
    }
}

fn is_loopback(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Refuses endpoints of the environment that no call could be sent to.
pub(super) fn check_endpoints(
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), Failure> {
    let mut endpoints = variables.filter(|(name, url)| {
        let of = name.strip_prefix("AWS_ENDPOINT_URL");
        !url.is_empty() && of.is_some_and(|of| of.is_empty() || of.starts_with('_'))
    });
    endpoints.try_for_each(|(name, url)| check_endpoint(&name, &url))
}

/// Refuses an endpoint that no call could be sent to.
pub(super) fn check_endpoint(named_by: &str, url: &str) -> Result<(), Failure> {
    if is_http(url) {
        return Ok(());
    }
    Err(Failure::CommandLine {
        message: format!("{named_by} is {url:?}, which is no URL of AWS"),
        remedy: format!("set {named_by} to a URL such as http://127.0.0.1:4566, or unset it"),
    })
}

/// True of an address with a host, and http or https before it.
fn is_http(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    uri.is_some_and(|uri| {
        uri.host().is_some_and(|host| !host.is_empty())
            && matches!(uri.scheme_str(), Some("http" | "https"))
    })
}

/// Refuses a proxy that would be ignored. Its URL may contain a password, and is not shown.
fn checked(name: &str, proxy: &str) -> Result<(), Failure> {
    let url = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    if is_http(&url) {
        return Ok(());
    }
    Err(Failure::CommandLine {
        message: format!("{name} is no URL of an HTTP proxy"),
        remedy: format!("set {name} to a URL such as http://proxy.example.com:8080, or unset it"),
    })
}

/// Trusts the certificates of a file, and no others, as the AWS CLI does.
fn trusting(by: &str, file: &str) -> Result<TlsContext, Failure> {
    let unusable = |why: String| Failure::CommandLine {
        message: format!("{by} names {file}, which cannot be used: {why}"),
        remedy: "name a file with certificates in PEM format".to_owned(),
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    // The HTTP client takes certificates that it cannot read for a programming error.
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it contains no certificate".to_owned()));
    }
    TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (uri, expected) in [
            ("http://127.0.0.1:4566/", true),
            ("http://127.9.0.1/", true),
            ("http://localhost:4566/x", true),
            ("http://[::1]:4566/", true),
            ("https://dynamodb.us-east-1.amazonaws.com/", false),
            ("https://localhost.example.com/", false),
            ("http://10.0.0.1/", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(uri), expected, "{uri}");
        }
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused_with_its_variable() {
        let check = |name: &str, url: &str| {
            check_endpoints([(name.to_owned(), url.to_owned())].into_iter())
        };
        for (name, url) in [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "https://aws.example.com/x"),
            ("AWS_ENDPOINT_URL", ""),
            ("AWS_ENDPOINT_URLS", "not-a-url"),
            ("OTHER", "not-a-url"),
        ] {
            assert!(check(name, url).is_ok(), "{name} {url}");
        }
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"] {
            for url in [
                "not-a-url",
                "127.0.0.1:4566",
                "ftp://host",
                "http://",
                "http:// x",
            ] {
                let refused = check(name, url).unwrap_err().to_string();
                assert!(
                    refused.starts_with(&format!("{name} is {url:?}")),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn a_proxy_that_would_be_ignored_is_refused_without_its_password() {
        for proxy in [
            "http://proxy:8080",
            "https://user:pass@proxy",
            "proxy:8080",
            "10.0.0.1:3128",
        ] {
            assert!(checked("HTTPS_PROXY", proxy).is_ok(), "{proxy}");
        }
        for proxy in [
            "socks5://user:secret@proxy:1080",
            "http://",
            "http://pro xy",
            "://",
        ] {
            let refused = checked("HTTPS_PROXY", proxy).unwrap_err().to_string();
            assert!(refused.contains("HTTPS_PROXY") && !refused.contains("secret"));
        }
    }
}
