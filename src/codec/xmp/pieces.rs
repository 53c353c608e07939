//! Splits XML into tags and the text between them. Comments, instructions and declarations are skipped.

use std::ops::Range;

/// Maximum number of namespace prefixes that are recorded. Real packets declare about twenty.
const MAX_NAMES: usize = 128;

/// A piece of an XML text, and its position in the text.
pub(super) enum Piece<'a> {
    /// `attributes` is the part after the name. It begins at `at`.
    Open {
        name: &'a str,
        attributes: &'a str,
        at: usize,
        is_empty: bool,
    },
    Close {
        name: &'a str,
        at: usize,
    },
    /// `is_escaped` says whether the text may contain entities.
    Text {
        text: &'a str,
        at: usize,
        is_escaped: bool,
    },
}

/// Iterates over a text, up to its end or the first piece that is not closed.
pub(super) struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(text: &'a str) -> Pieces<'a> {
        Pieces { text, at: 0 }
    }

    /// Skips the piece that begins here, up to and including the next `end` at a distance of `from` bytes or more.
    fn pass(&mut self, from: usize, end: &str) -> Option<()> {
        let start = self.at + from;
        self.at = start + self.text.get(start..)?.find(end)? + end.len();
        Some(())
    }

    fn tag(&mut self) -> Option<Piece<'a>> {
        let start = self.at + 1;
        let end = start + tag_end(&self.text[start..])?;
        self.at = end + 1;
        let inner = &self.text[start..end];
        if let Some(name) = inner.strip_prefix('/') {
            return Some(Piece::Close { name: name.trim(), at: start - 1 });
        }
        let is_empty = inner.ends_with('/');
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let name_end = inner.find(|letter: char| letter.is_ascii_whitespace()).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(name_end);
        Some(Piece::Open { name, attributes, at: start + name_end, is_empty })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let (rest, at) = (&self.text[self.at..], self.at);
            if rest.starts_with("<!--") {
                self.pass(4, "-->")?;
            } else if rest.starts_with("<![CDATA[") {
                self.pass(9, "]]>")?;
                return Some(Piece::Text { text: &self.text[at + 9..self.at - 3], at: at + 9, is_escaped: false });
            } else if rest.starts_with("<?") {
                self.pass(2, "?>")?;
            } else if rest.starts_with("<!") {
                self.pass(2, ">")?;
            } else if rest.starts_with('<') {
                return self.tag();
            } else if rest.is_empty() {
                return None;
            } else {
                self.at += rest.find('<').unwrap_or(rest.len());
                return Some(Piece::Text { text: &self.text[at..self.at], at, is_escaped: true });
            }
        }
    }
}

/// Returns the position of the `>` that closes a tag. It ignores those inside values.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    text.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        quote.is_none() && byte == b'>'
    })
}

/// Returns the attributes of a tag: the name of each, and the range of its value in `part`.
pub(super) fn attributes(part: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let equals = at + part.get(at..)?.find('=')?;
        let name = part[at..equals].trim();
        let quoted = equals + 1 + part[equals + 1..].find(['"', '\''])?;
        let start = quoted + 1;
        let end = start + part[start..].find(char::from(part.as_bytes()[quoted]))?;
        at = end + 1;
        Some((name, start..end))
    })
}

/// The namespace prefixes that a text declares, anywhere in the text.
pub(super) struct Names<'a> {
    declared: Vec<(&'a str, &'a str)>,
}

impl<'a> Names<'a> {
    pub(super) fn read(text: &'a str) -> Names<'a> {
        let mut declared = Vec::new();
        for piece in Pieces::of(text) {
            let Piece::Open { attributes: part, .. } = piece else { continue };
            let declarations =
                attributes(part).filter_map(|(name, range)| Some((name.strip_prefix("xmlns:")?, &part[range])));
            for declaration in declarations {
                if declared.len() < MAX_NAMES && !declared.contains(&declaration) {
                    declared.push(declaration);
                }
            }
        }
        Names { declared }
    }

    /// Whether `name`, with its prefix, means `local` in `namespace`. A prefix that is not declared has its usual
    /// meaning.
    pub(super) fn is(&self, name: &str, usual: &str, namespace: &str, local: &str) -> bool {
        let Some((prefix, _)) = name.split_once(':').filter(|(_, found)| *found == local) else { return false };
        let mut meanings = self.declared.iter().filter(|(other, _)| *other == prefix).peekable();
        if meanings.peek().is_none() { prefix == usual } else { meanings.any(|(_, meaning)| *meaning == namespace) }
    }
}

/// Returns `text` with XML's five entities and numeric character references replaced by their characters.
pub(super) fn unescaped(text: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        letters.push_str(&rest[..start]);
        rest = &rest[start..];
        // The longest supported one is `&#1114111;`.
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((letter(&rest[1..end])?, end))) {
            Some((letter, end)) => {
                letters.push(letter);
                rest = &rest[end + 1..];
            }
            None => {
                letters.push('&');
                rest = &rest[1..];
            }
        }
    }
    letters + rest
}

fn letter(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
