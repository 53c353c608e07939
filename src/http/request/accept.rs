//! What the client's Accept header asks for (RFC 9110 s12.5.1). Must not know where the formats are used.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::codec::Format;

/// A parsed Accept header.
#[derive(Clone, Debug, PartialEq)]
pub struct Accept {
    /// Media ranges and their weights, in order; empty when the client accepts anything.
    ranges: Vec<(String, f32)>,
}

impl Accept {
    /// Reads every Accept header. A weight that is no number counts as 1, as leaving it away would.
    pub fn of(headers: &HeaderMap) -> Accept {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(',')).filter_map(range).collect();
        Accept { ranges }
    }

    /// The formats that an answer may have: those named, and those in `otherwise` that a wildcard or the
    /// absence of Accept lets in. Empty when nothing is acceptable.
    pub fn formats(&self, otherwise: &[Format]) -> Vec<Format> {
        if self.wants_nothing_but_the_report() {
            return otherwise.to_vec();
        }
        let named = |format: Format| self.weight(format.media_type());
        let wild =
            self.weight("image/*").or(self.weight("*/*")).unwrap_or(if self.ranges.is_empty() { 1.0 } else { 0.0 });
        let by_wildcard = otherwise.iter().copied().filter(|format| named(*format).unwrap_or(wild) > 0.0);
        let mut formats: Vec<Format> = by_wildcard.collect();
        for format in Format::OUTPUT {
            if named(format).is_some_and(|weight| weight > 0.0) && !formats.contains(&format) {
                formats.push(format);
            }
        }
        formats
    }

    /// Whether the report is asked for instead of the image: application/json, or application/* for it, weighs more
    /// than every image type that is named, or as much and stands before them.
    pub fn wants_report(&self) -> bool {
        let Some((json_at, json)) = self.json().filter(|(_, weight)| *weight > 0.0) else { return false };
        let mut images = self.ranges.iter().enumerate().filter(|(_, (range, _))| range.starts_with("image/"));
        images.all(|(at, (_, image))| json > *image || (json == *image && json_at < at))
    }

    /// Where the range that covers application/json stands, and its weight.
    fn json(&self) -> Option<(usize, f32)> {
        ["application/json", "application/*"].iter().find_map(|wanted| {
            let at = self.ranges.iter().position(|(range, _)| range == wanted)?;
            Some((at, self.ranges[at].1))
        })
    }

    fn wants_nothing_but_the_report(&self) -> bool {
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
    fn formats_follow_what_is_named_and_let_in() {
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
    fn several_headers_are_one_list() {
        let headers = HeaderMap::from_iter([(ACCEPT, "image/png".parse().unwrap())]);
        let mut two = headers.clone();
        two.append(ACCEPT, "image/jpeg".parse().unwrap());
        assert_eq!(Accept::of(&two).formats(&CONFIGURED), [Jpeg, Png]);
    }

    #[test]
    fn the_report_is_for_those_who_name_it_first() {
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
