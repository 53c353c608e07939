//! Opens an object store: its options, and an HTTP client of our own, since what the sandbox lets through differs from
//! what a client expects by itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::batch::store::url::{StoreKind, StoreUrl};
use crate::outbound::{self, TrustedNames};

/// Time for a connection. A store that is nearer takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for a request with its answer: a piece of 8 MiB at 3 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

/// Tries of a request that failed, within this time. Batches wait for a store that is away by themselves.
const RETRIES: usize = 2;
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// The store at `url`.
///
/// # Errors
/// An option is unknown, or there is something missing that it needs.
pub(super) fn open(url: &StoreUrl) -> io::Result<Arc<dyn ObjectStore>> {
    let connector = Connector { client: client()? };
    let options = url.all_options();
    let is_plain = |(name, value): &(String, String)| name.contains("endpoint") && value.starts_with("http://");
    let allowed = ClientOptions::new().with_allow_http(options.iter().any(is_plain));
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    };
    macro_rules! build {
        ($builder:expr, $bucket:ident) => {{
            let mut builder = $builder.with_client_options(allowed).$bucket(&url.bucket);
            for (name, value) in options {
                let is_own = url.options.iter().any(|(own, _)| *own == name);
                match name.parse() {
                    Ok(key) => builder = builder.with_config(key, value),
                    // The environment has variables of other programs too.
                    Err(_) if !is_own => {}
                    Err(_) => return Err(io::Error::other(format!("{name} is no option of this object store"))),
                }
            }
            builder.with_retry(retry).with_http_connector(connector).build().map(|store| Arc::new(store) as _)
        }};
    }
    let built: Result<Arc<dyn ObjectStore>, object_store::Error> = match url.kind {
        StoreKind::S3 => build!(AmazonS3Builder::new(), with_bucket_name),
        StoreKind::Google => build!(GoogleCloudStorageBuilder::new(), with_bucket_name),
        StoreKind::Azure => build!(MicrosoftAzureBuilder::new(), with_container_name),
    };
    built.map_err(io::Error::other)
}

fn client() -> io::Result<reqwest::Client> {
    outbound::http_client(TrustedNames, &[])?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .build()
        .map_err(io::Error::other)
}

/// Hands the client out.
#[derive(Debug)]
struct Connector {
    client: reqwest::Client,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.client.clone()))
    }
}
