//! Where an object store is: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, with options as a
//! query: `s3://bucket?endpoint=http://minio:9000&region=us-east-1`.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::config_value::REDACTED;
use crate::named::named;

named! {
    /// The kind of an object store: the scheme of its URL.
    pub enum StoreKind {
        /// Amazon S3, and what speaks as it does.
        S3 = "s3",
        /// Google Cloud Storage.
        Google = "gs",
        /// Azure Blob Storage.
        Azure = "az",
    }
}

/// A URL of an object store, taken apart. Printed without the values of its options, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    /// Whose store it is.
    pub kind: StoreKind,
    /// The bucket, or the container.
    pub bucket: String,
    /// What the names of all objects begin with; empty for none.
    pub prefix: String,
    /// Options by the names that the provider's tools use, such as `endpoint`.
    pub options: Vec<(String, String)>,
}

/// Why a text is no URL of an object store. It does not repeat the text, which may have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no URL of an object store: write s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")]
pub struct NoStoreUrl;

/// The port of encrypted HTTP, on which all providers answer.
const HTTPS: u16 = 443;

/// The port on which a machine in a cloud is told its credentials, over plain HTTP.
const METADATA: u16 = 80;

impl StoreKind {
    /// What the names of the environment variables begin with that have its options and credentials.
    fn variables(self) -> &'static str {
        match self {
            StoreKind::S3 => "AWS_",
            StoreKind::Google => "GOOGLE_",
            StoreKind::Azure => "AZURE_",
        }
    }
}

impl StoreUrl {
    /// The options of the URL, and before them those of the environment.
    pub(super) fn all_options(&self) -> Vec<(String, String)> {
        let prefix = self.kind.variables();
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(prefix))?;
            Some((name.to_ascii_lowercase(), value.into_string().ok()?))
        });
        variables.chain(self.options.iter().cloned()).collect()
    }

    /// The ports that it takes connections to: that of its endpoint, and that of credentials where none are given.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let options = self.all_options();
        let endpoint = options.iter().rev().find(|(name, _)| name.contains("endpoint") && !name.contains("metadata"));
        let endpoint = endpoint.and_then(|(_, value)| Url::parse(value).ok()?.port_or_known_default());
        let has_key =
            options.iter().any(|(name, _)| ["key", "service_account", "token"].iter().any(|k| name.contains(k)));
        let metadata = (!has_key).then_some(METADATA);
        [endpoint.or(Some(HTTPS)), Some(HTTPS), metadata].into_iter().flatten().collect()
    }
}

impl FromStr for StoreUrl {
    type Err = NoStoreUrl;

    fn from_str(text: &str) -> Result<StoreUrl, NoStoreUrl> {
        let url = Url::parse(text).map_err(|_| NoStoreUrl)?;
        let kind = StoreKind::ALL.iter().find(|kind| kind.name() == url.scheme()).ok_or(NoStoreUrl)?;
        let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or(NoStoreUrl)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        let prefix = url.path().trim_matches('/');
        let has_more = url.port().is_some() || !url.username().is_empty() || url.password().is_some();
        if has_more || url.fragment().is_some() || !prefix.bytes().all(is_plain) || prefix.contains("//") {
            return Err(NoStoreUrl);
        }
        let options = url.query_pairs().map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect();
        Ok(StoreUrl { kind: *kind, bucket: bucket.to_owned(), prefix: prefix.to_owned(), options })
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.name(), self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        for (at, (name, _)) in self.options.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={REDACTED}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_printed_without_its_secrets() {
        let url: StoreUrl = "s3://shop/a/b/?endpoint=http://minio:9000&Secret_Access_Key=s%2Fe".parse().unwrap();
        assert_eq!((url.kind, &*url.bucket, &*url.prefix), (StoreKind::S3, "shop", "a/b"));
        assert_eq!(url.options[1], ("secret_access_key".to_owned(), "s/e".to_owned()));
        assert_eq!(url.to_string(), "s3://shop/a/b?endpoint=[redacted]&secret_access_key=[redacted]");
        assert_eq!(format!("{url:?}"), url.to_string());
        let url: StoreUrl = "gs://shop".parse().unwrap();
        assert_eq!((url.kind, url.to_string()), (StoreKind::Google, "gs://shop".to_owned()));
    }

    #[test]
    fn it_connects_to_its_endpoint_and_for_credentials_only_where_it_has_none() {
        let ports = |text: &str| text.parse::<StoreUrl>().unwrap().ports();
        assert!(ports("s3://a?endpoint=http://minio:9000&access_key_id=a").contains(&9000));
        assert!(!ports("s3://a?endpoint=http://minio:9000&access_key_id=a").contains(&METADATA));
        assert!(ports("gs://a").contains(&HTTPS));
    }

    #[test]
    fn what_is_no_url_of_a_store_is_refused_and_not_repeated() {
        for text in ["shop", "http://shop", "s3:///a", "s3://a:9/b", "s3://u:p@a/b", "s3://a/b#c", "s3://a/b%20c"] {
            let refused = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(!refused.contains(text), "{text}");
        }
    }
}
