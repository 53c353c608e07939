//! The pages for browsers and the files that they load. All are embedded in the binary as they are written, without a
//! build step, and none names another host.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::http::response::validator;

/// A file that browsers load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    /// The last segment of its path.
    pub name: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal)*) => {
        /// Every file.
        pub(crate) const ASSETS: &[Asset] = &[$(Asset { name: $name, bytes: include_bytes!($name) },)*];
    };
}

assets! {
    "advice.js"
    "base.css"
    "cards.js"
    "chart.js"
    "compare.js"
    "curl.js"
    "dashboard.css"
    "dashboard.html"
    "dashboard.js"
    "docs.css"
    "docs.html"
    "docs.js"
    "dom.js"
    "facts.js"
    "files.js"
    "grades.js"
    "icon.svg"
    "intake.js"
    "page.css"
    "page.html"
    "page.js"
    "presets.js"
    "sample.js"
    "samples.js"
    "service.js"
    "settings.js"
    "share.js"
    "tabs.js"
    "text.js"
    "trace.js"
    "variants.js"
    "work.js"
    "zip.js"
}

/// Scripts, styles and data come from this host alone, pictures also from the page itself; nothing inline is run, no
/// other site may frame a page, and no text becomes markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// Browsers ask each time whether a file is still the same, so that a new version is never mixed with an old one.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

impl Asset {
    /// The file of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Asset> {
        ASSETS.iter().find(|asset| asset.name == name)
    }

    /// The file, or 304 when `request` has it already.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        let headers = self.headers(&etag);
        if validator::is_known(request, &etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, Bytes::from_static(self.bytes)).into_response()
    }

    fn headers(&self, etag: &str) -> HeaderMap {
        let etag = HeaderValue::from_str(&format!("W/{etag}")).expect("hex digits in quotes are visible ASCII");
        HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(self.media_type())),
            (ETAG, etag),
            (CACHE_CONTROL, ASK_EACH_TIME),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ])
    }

    /// The validator without its mark `W/`: it is sent as a weak one, because the compressed file has the same.
    fn etag(&self) -> String {
        format!("\"{}\"", &blake3::hash(self.bytes).to_hex()[..16])
    }

    fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Names that are no addresses: the namespace of SVG, which nothing is loaded from.
    const NAMESPACES: &[&str] = &["http://www.w3.org/2000/svg"];

    fn text(asset: &Asset) -> String {
        let text = String::from_utf8(asset.bytes.to_vec()).unwrap();
        NAMESPACES.iter().fold(text, |text, namespace| text.replace(namespace, ""))
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/pages");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = names.filter(|name| !name.ends_with(".rs")).collect();
        assert_eq!(files, ASSETS.iter().map(|asset| asset.name.to_owned()).collect());
    }

    #[test]
    fn no_file_names_another_host() {
        for asset in ASSETS {
            let text = text(asset);
            for sign in ["://", "url(//", "\"//", "'//"] {
                assert!(!text.contains(sign), "{} has {sign}", asset.name);
            }
        }
    }

    #[test]
    fn every_file_has_a_type_that_browsers_know() {
        assert!(ASSETS.iter().all(|asset| asset.media_type() != "application/octet-stream"));
    }

    #[test]
    fn pages_have_no_inline_scripts_or_styles() {
        for page in ASSETS.iter().filter(|asset| asset.name.ends_with(".html")) {
            let text = text(page);
            for sign in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
                assert!(!text.contains(sign), "{} has {sign}", page.name);
            }
            assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=").count());
        }
    }
}
