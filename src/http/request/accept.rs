//! The Accept header of a request (RFC 9110 s12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

use crate::codec::Format;

/// The form of an answer with several outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetForm {
    /// The report, with the paths of the images.
    Json,
    /// Every image as a part of multipart/mixed.
    Mixed,
    /// Every image as a part of multipart/form-data.
    FormData,
    /// Every image as a file of an archive.
    Zip,
}

impl SetForm {
    /// The media types of all forms.
    pub(crate) const TYPES: [&'static str; 4] =
        ["application/json", "multipart/mixed", "multipart/form-data", "application/zip"];

    /// The form that a media range means first.
    fn of_range(range: &str) -> Option<SetForm> {
        match range {
            "application/json" | "application/*" | "*/*" => Some(SetForm::Json),
            "multipart/mixed" | "multipart/*" => Some(SetForm::Mixed),
            "multipart/form-data" => Some(SetForm::FormData),
            "application/zip" => Some(SetForm::Zip),
            _ => None,
        }
    }
}

/// A parsed Accept header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Accept {
    /// Media ranges and their weights, in order. Empty when the client accepts anything.
    ranges: Vec<(String, f32)>,
}

impl Accept {
    /// Reads every Accept header. A weight that is not a number counts as 1, as if it were missing.
    pub(crate) fn of(headers: &HeaderMap) -> Accept {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(',')).filter_map(range).collect();
        Accept { ranges }
    }

    /// The formats that an answer may have: those that Accept names, and those of `defaults` that a wildcard or a
    /// missing Accept allows. Empty when nothing is acceptable.
    pub(crate) fn formats(&self, defaults: &[Format]) -> Vec<Format> {
        if self.wants_only_the_report() {
            return defaults.to_vec();
        }
        let named = |format: Format| self.weight(format.media_type());
        let wildcard =
            self.weight("image/*").or(self.weight("*/*")).unwrap_or(if self.ranges.is_empty() { 1.0 } else { 0.0 });
        let allowed = defaults.iter().copied().filter(|format| named(*format).unwrap_or(wildcard) > 0.0);
        let mut formats: Vec<Format> = allowed.collect();
        for format in Format::OUTPUT {
            if named(format).is_some_and(|weight| weight > 0.0) && !formats.contains(&format) {
                formats.push(format);
            }
        }
        formats
    }

    /// Whether the client prefers the report to the image: Accept names application/json, or application/* for it, with
    /// more weight than every image type, or with the same weight and before them.
    pub(crate) fn wants_report(&self) -> bool {
        let Some((json_at, json)) = self.json().filter(|(_, weight)| *weight > 0.0) else { return false };
        let mut images = self.ranges.iter().enumerate().filter(|(_, (range, _))| range.starts_with("image/"));
        images.all(|(at, (_, image))| json > *image || (json == *image && json_at < at))
    }

    /// Whether the client prefers a page to JSON, as browsers do: Accept names text/html, with more weight than JSON,
    /// or with the same weight and before it.
    pub(crate) fn wants_page(&self) -> bool {
        let html = self.ranges.iter().position(|(range, weight)| range == "text/html" && *weight > 0.0);
        let Some(html_at) = html else { return false };
        let html = self.ranges[html_at].1;
        self.json().is_none_or(|(json_at, json)| html > json || (html == json && html_at < json_at))
    }

    /// The form that the client prefers for a set of outputs: that of the greatest weight, a type before a wildcard,
    /// and then the one that stands first. Returns `None` when Accept names none of them.
    pub(crate) fn set_form(&self) -> Option<SetForm> {
        if self.ranges.is_empty() {
            return Some(SetForm::Json);
        }
        let mut ranges: Vec<_> = self.ranges.iter().filter(|(_, weight)| *weight > 0.0).collect();
        ranges.sort_by(|(left, left_weight), (right, right_weight)| {
            right_weight.total_cmp(left_weight).then(left.ends_with('*').cmp(&right.ends_with('*')))
        });
        ranges.into_iter().find_map(|(range, _)| SetForm::of_range(range))
    }

    /// Where the range that covers application/json stands, and its weight.
    fn json(&self) -> Option<(usize, f32)> {
        ["application/json", "application/*"].iter().find_map(|wanted| {
            let at = self.ranges.iter().position(|(range, _)| range == wanted)?;
            Some((at, self.ranges[at].1))
        })
    }

    fn wants_only_the_report(&self) -> bool {
        self.wants_report() && !self.ranges.iter().any(|(range, _)| range.starts_with("image/") || range == "*/*")
    }

    fn weight(&self, media_range: &str) -> Option<f32> {
        self.ranges.iter().find(|(range, _)| range == media_range).map(|(_, weight)| *weight)
    }
}

fn range(text: &str) -> Option<(String, f32)> {
    let mut pieces = text.split(';').map(str::trim);
    let media_range = pieces.next().filter(|piece| !piece.is_empty())?.to_ascii_lowercase();
    let weight = pieces.find_map(|piece| piece.strip_prefix("q=").or(piece.strip_prefix("Q=")));
    let weight = weight.and_then(|text| text.parse::<f32>().ok()).filter(|weight| (0.0..=1.0).contains(weight));
    Some((media_range, weight.unwrap_or(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Format::{Avif, Jpeg, Png, Webp};

    const CONFIGURED: [Format; 3] = [Webp, Jpeg, Png];

    fn accept(text: &str) -> Accept {
        Accept::of(&HeaderMap::from_iter([(ACCEPT, text.parse().unwrap())]))
    }

    #[test]
    fn formats_follow_names_and_wildcards() {
        for (text, expected) in [
            ("*/*", &CONFIGURED[..]),
            ("image/*", &CONFIGURED),
            ("image/webp", &[Webp]),
            ("IMAGE/WebP ; q=0.3", &[Webp]),
            ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", &[Webp, Jpeg, Png, Avif]),
            ("image/png, text/html", &[Png]),
            ("image/webp;q=0, */*", &[Jpeg, Png]),
            ("image/*;q=0, */*", &[]),
            ("image/avif;q=0", &[]),
            ("text/html", &[]),
            ("image/gif", &[]),
            ("application/json", &CONFIGURED),
            ("application/json, image/webp;q=0.5", &[Webp]),
            ("application/*", &CONFIGURED),
            ("application/*, image/webp", &[Webp]),
            ("application/xml", &[]),
            ("application/json, text/plain, */*", &CONFIGURED),
            ("image/webp;q=much", &[Webp]),
            (" , ,image/png", &[Png]),
        ] {
            assert_eq!(accept(text).formats(&CONFIGURED), expected, "{text}");
        }
        assert_eq!(Accept::of(&HeaderMap::new()).formats(&CONFIGURED), CONFIGURED);
    }

    #[test]
    fn a_set_has_the_form_that_the_client_prefers() {
        for (text, expected) in [
            ("*/*", Some(SetForm::Json)),
            ("application/zip", Some(SetForm::Zip)),
            ("*/*, application/zip", Some(SetForm::Zip)),
            ("application/zip;q=0.5, */*", Some(SetForm::Json)),
            ("application/zip;q=0, multipart/*;q=0.1", Some(SetForm::Mixed)),
            ("multipart/form-data, application/json;q=0.9", Some(SetForm::FormData)),
            ("image/webp", None),
            ("application/json;q=0", None),
        ] {
            assert_eq!(accept(text).set_form(), expected, "{text}");
        }
        assert_eq!(Accept::of(&HeaderMap::new()).set_form(), Some(SetForm::Json));
    }

    #[test]
    fn a_page_is_for_those_who_name_it() {
        for (text, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", true),
            ("text/html", true),
            ("text/html, application/json", true),
            ("application/json, text/html", false),
            ("application/json, text/html;q=0.9", false),
            ("application/json;q=0.5, text/html;q=0.9", true),
            ("text/html;q=0", false),
            ("*/*", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(accept(text).wants_page(), expected, "{text}");
        }
    }

    #[test]
    fn several_headers_count_as_one_list() {
        let headers = HeaderMap::from_iter([(ACCEPT, "image/png".parse().unwrap())]);
        let mut two = headers.clone();
        two.append(ACCEPT, "image/jpeg".parse().unwrap());
        assert_eq!(Accept::of(&two).formats(&CONFIGURED), [Jpeg, Png]);
    }

    #[test]
    fn the_report_is_wanted_when_it_is_preferred_to_images() {
        for (text, expected) in [
            ("application/json", true),
            ("application/json;q=0.1", true),
            ("application/json, text/plain, */*", true),
            ("application/json, image/webp", true),
            ("image/webp, application/json", false),
            ("application/json;q=0.5, image/webp", false),
            ("application/json, image/*;q=0.9", true),
            ("application/json;q=0", false),
            ("application/*", true),
            ("application/*;q=0.5, image/webp", false),
            ("application/*, image/webp", true),
            ("image/webp, application/*", false),
            ("application/json;q=0, application/*", false),
            ("application/*, application/json;q=0.1, image/webp;q=0.5", false),
            ("application/xml", false),
            ("application/json;q=0.5, image/webp;q=0.5, image/png;q=0.1", true),
            ("image/webp;q=0.1, application/json;q=0.5, image/png;q=0.5", true),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(accept(text).wants_report(), expected, "{text}");
        }
    }
}
