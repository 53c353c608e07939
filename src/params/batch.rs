//! Batches: many pictures with parameters of their own, as `POST /batches` describes them.

use super::preset::pairs;
use super::set::check_within_total;
use super::written::{not_a, refuse};
use super::{Defaults, Given, Pairs, ParamError, Request, Table, Written, filename, read, target_bytes};
use crate::byte_size::SIZE_GRAMMAR;

/// The keys of a batch. Two of them have a second spelling.
const KEYS: &str = "items, defaults, total, max_concurrent, stop_on_error";

/// Items of a batch that are worked on at once, where it does not say.
pub const DEFAULT_CONCURRENT: usize = 4;

/// The most items of a batch that may be worked on at once.
pub const MAX_CONCURRENT: usize = 10;

/// Longest URL of a picture, in bytes: what browsers and servers agree on is 8,000 (RFC 9110 s4.1).
pub const MAX_URL_BYTES: usize = 8_000;

/// The name of an item without one.
const UNNAMED: &str = "picture";

/// A batch as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSpec {
    /// The items; empty for a form whose files are the items.
    items: Vec<Entry>,
    defaults: Pairs,
    /// Bytes that all answers may have together. The target of an item is then the most that it may have of them.
    pub total: Option<u64>,
    /// Items that may be worked on at once.
    pub max_concurrent: usize,
    /// Whether the first failure cancels the items that have not begun.
    pub stop_on_error: bool,
}

/// An item: where its picture is, its name and its parameters.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    picture: Picture,
    name: Option<String>,
    pairs: Pairs,
}

/// Where the picture of an item comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// It is fetched.
    Url(String),
    /// A file of the form: its name, or that of its part.
    Upload(String),
}

/// An item with its parameters read.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchItem {
    /// Where its picture comes from.
    pub picture: Picture,
    /// Its name, for people and archives.
    pub name: String,
    /// What `POST /compress` would be asked for.
    pub request: Request,
}

/// Why a batch can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A key of the batch.
    #[error(transparent)]
    Spec(#[from] ParamError),
    /// A parameter of an item.
    #[error("item {index}: {error}")]
    Item {
        /// The place of the item, from 0.
        index: usize,
        /// What is wrong with its parameter.
        error: ParamError,
    },
}

impl BatchSpec {
    /// Reads the batch that `table` describes.
    ///
    /// # Errors
    /// [`BatchError`] for a key that is unknown or given twice, for a value that is not of its kind, and for an item that does
    /// not say where its picture is.
    pub fn read(table: &Table) -> Result<BatchSpec, BatchError> {
        let mut spec = BatchSpec {
            items: Vec::new(),
            defaults: Vec::new(),
            total: None,
            max_concurrent: DEFAULT_CONCURRENT,
            stop_on_error: false,
        };
        let mut seen = Vec::new();
        for (key, value) in table.entries() {
            let name = canonical(key);
            if seen.contains(&name) {
                return Err(refuse(key, None, "given twice", "each key once").into());
            }
            seen.push(name);
            match name {
                "items" => spec.items = items(value)?,
                "defaults" => spec.defaults = defaults(value)?,
                "total" => spec.total = Some(total(value)?),
                "max_concurrent" => spec.max_concurrent = concurrent(key, value)?,
                "stop_on_error" => spec.stop_on_error = switch(key, value)?,
                _ => return Err(refuse(key, value.text(), "unknown key", KEYS).into()),
            }
        }
        Ok(spec)
    }

    /// How many items the batch lists.
    pub fn listed(&self) -> usize {
        self.items.len()
    }

    /// Whether the files of the form are the items.
    pub fn takes_every_file(&self) -> bool {
        self.items.is_empty()
    }

    /// The items that the batch lists.
    ///
    /// # Errors
    /// [`BatchError::Item`] for a parameter that can't be used.
    pub fn items(&self, defaults: &Defaults) -> Result<Vec<BatchItem>, BatchError> {
        let item = |(index, entry): (usize, &Entry)| {
            self.item(entry, defaults).map_err(|error| BatchError::Item { index, error })
        };
        self.items.iter().enumerate().map(item).collect()
    }

    /// The item that a file of the form is, where the batch lists none.
    ///
    /// # Errors
    /// [`ParamError`] for a default that can't be used.
    pub fn item_of_file(&self, name: &str, defaults: &Defaults) -> Result<BatchItem, ParamError> {
        let picture = Picture::Upload(name.to_owned());
        self.item(&Entry { picture, name: None, pairs: Vec::new() }, defaults)
    }

    /// The parameters of the item come first, then those of its preset, then the defaults of the batch. The total is
    /// the target where none of them has one.
    fn item(&self, entry: &Entry, defaults: &Defaults) -> Result<BatchItem, ParamError> {
        if defaults.presets_only {
            let asked = Given::new(&entry.pairs)?.filled_from(Given::new(&self.defaults)?.0);
            asked.check_only_preset(&defaults.presets)?;
        }
        let own = Given::new(&entry.pairs)?.with_preset(&defaults.presets)?;
        let shared = Given::new(&self.defaults)?.with_preset(&defaults.presets)?;
        let total = self.total.map(|total| total.min(defaults.max_target).to_string());
        let total = total.as_deref().map(|total| ("target", total));
        let request = read(&own.filled_from(shared.0).filled_from(total), defaults)?;
        if self.total.is_some() {
            check_within_total(&request.job, "item", "batch")?;
        }
        let named = entry.name.clone().or_else(|| request.filename.clone());
        let name = named.unwrap_or_else(|| entry.picture.last_segment());
        filename(&name).map_err(|reason| refuse("name", Some(name.clone()), &reason, "up to 255 characters"))?;
        Ok(BatchItem { picture: entry.picture.clone(), name, request })
    }
}

impl Picture {
    /// The last piece of its path, for people; at most 255 characters.
    fn last_segment(&self) -> String {
        let path = match self {
            Picture::Url(url) => url.split(['?', '#']).next().unwrap_or_default(),
            Picture::Upload(name) => name,
        };
        let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let visible: String = last.chars().filter(|c| !c.is_control()).take(255).collect();
        if visible.is_empty() { UNNAMED.to_owned() } else { visible }
    }
}

/// The spelling of a key that the code uses.
fn canonical(key: &str) -> &str {
    match key {
        "maxConcurrent" => "max_concurrent",
        "stopOnError" => "stop_on_error",
        other => other,
    }
}

fn items(value: &Written) -> Result<Vec<Entry>, BatchError> {
    let Written::List(list) = value else { return Err(not_a("items", "list").into()) };
    let entry = |(index, value): (usize, &Written)| {
        let entry = match value {
            Written::Table(table) => entry(table),
            _ => Err(not_a("items", "list of tables")),
        };
        entry.map_err(|error| BatchError::Item { index, error })
    };
    list.iter().enumerate().map(entry).collect()
}

fn entry(table: &Table) -> Result<Entry, ParamError> {
    let mut entry = Entry { picture: Picture::Url(String::new()), name: None, pairs: Vec::new() };
    let mut pictures = Vec::new();
    for (key, value) in pairs(table)? {
        match key.as_str() {
            "url" if value.len() > MAX_URL_BYTES => {
                return Err(refuse("url", Some(value), "too long", &format!("up to {MAX_URL_BYTES} bytes")));
            }
            "url" => pictures.push(Picture::Url(value)),
            "upload" => pictures.push(Picture::Upload(value)),
            "name" if entry.name.is_some() => return Err(refuse("name", Some(value), "given twice", "one name")),
            "name" => entry.name = Some(value),
            _ => entry.pairs.push((key, value)),
        }
    }
    match <[Picture; 1]>::try_from(pictures) {
        Ok([picture]) => Ok(Entry { picture, ..entry }),
        Err(pictures) => {
            let reason = if pictures.is_empty() { "missing" } else { "given beside another picture" };
            Err(refuse("url", None, reason, "either url or upload, once"))
        }
    }
}

fn defaults(value: &Written) -> Result<Pairs, ParamError> {
    match value {
        Written::Table(table) => pairs(table),
        _ => Err(not_a("defaults", "table")),
    }
}

/// It may be more than one target may be.
fn total(value: &Written) -> Result<u64, ParamError> {
    let text = value.text().ok_or_else(|| not_a("total", "size"))?;
    target_bytes(&text, "total", u64::MAX).map_err(|reason| refuse("total", Some(text), &reason, SIZE_GRAMMAR))
}

fn concurrent(key: &str, value: &Written) -> Result<usize, ParamError> {
    let most = MAX_CONCURRENT as u64;
    match value {
        Written::Whole(number @ 1..) if *number <= most => Ok(*number as usize),
        _ => Err(refuse(key, value.text(), "not in its range", &format!("a whole number from 1 to {most}"))),
    }
}

fn switch(key: &str, value: &Written) -> Result<bool, ParamError> {
    match value {
        Written::Switch(switch) => Ok(*switch),
        _ => Err(refuse(key, value.text(), "is neither true nor false", "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(json: &str) -> Result<Vec<BatchItem>, BatchError> {
        let table: Table = serde_json::from_str(json).unwrap();
        BatchSpec::read(&table)?.items(&Defaults::default())
    }

    #[test]
    fn items_take_the_defaults_of_the_batch_and_have_names() {
        let items = items(
            r#"{"items":[{"url":"https://a.example/b/c.jpg?d=e","target":"8KB"},{"upload":"x/y.png","width":9},
                {"url":"https://a.example/","name":"own"},{"url":"https://a.example/"}],
                "defaults":{"target":"50KB","effort":"fast"},"maxConcurrent":2,"stopOnError":true}"#,
        )
        .unwrap();
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["c.jpg", "y.png", "own", "picture"]);
        assert_eq!(
            items.iter().map(|item| item.request.job.target).collect::<Vec<_>>(),
            [8_000, 50_000, 50_000, 50_000]
        );
        assert!(items.iter().all(|item| item.request.job.effort == crate::job::Effort::Fast));
        assert_eq!(items[1].picture, Picture::Upload("x/y.png".to_owned()));
    }

    #[test]
    fn a_total_is_the_most_that_an_item_may_have_where_it_has_no_target() {
        let read = items(
            r#"{"total":"2MB","items":[{"url":"https://a.example/a"},{"url":"https://a.example/b","target":"9KB"}]}"#,
        );
        let targets: Vec<u64> = read.unwrap().iter().map(|item| item.request.job.target).collect();
        assert_eq!(targets, [2_000_000, 9_000]);
        let beyond = r#"{"total":"9000GB","items":[{"url":"https://a.example/a"}]}"#;
        assert_eq!(items(beyond).unwrap()[0].request.job.target, Defaults::default().max_target);
    }

    #[test]
    fn both_spellings_of_the_keys_are_read() {
        for json in [r#"{"max_concurrent":2,"stop_on_error":true}"#, r#"{"maxConcurrent":2,"stopOnError":true}"#] {
            let spec = BatchSpec::read(&serde_json::from_str(json).unwrap()).unwrap();
            assert_eq!((spec.max_concurrent, spec.stop_on_error), (2, true));
        }
    }

    #[test]
    fn what_can_not_be_used_is_named() {
        for (json, name) in [
            (r#"{"items":{}}"#, "items"),
            (r#"{"items":[1]}"#, "items"),
            (r#"{"items":[{"target":1}]}"#, "url"),
            (r#"{"items":[{"target":1,"url":"a","upload":"b"}]}"#, "url"),
            (r#"{"items":[{"target":1,"url":"a","url":"b"}]}"#, "url"),
            (r#"{"items":[{"url":"a"}]}"#, "target"),
            (r#"{"items":[{"url":"a","target":1,"colour":"red"}]}"#, "colour"),
            (r#"{"items":[{"url":"a","target":1,"name":"a\u0000b"}]}"#, "name"),
            (r#"{"items":[{"url":"a","target":1,"name":"a","name":"b"}]}"#, "name"),
            (r#"{"items":[],"items":[]}"#, "items"),
            (r#"{"max_concurrent":2,"maxConcurrent":3}"#, "maxConcurrent"),
            (r#"{"total":0}"#, "total"),
            (r#"{"total":"80k"}"#, "total"),
            (r#"{"total":[]}"#, "total"),
            (r#"{"total":"1MB","items":[{"url":"a","mode":"exact"}]}"#, "mode"),
            (r#"{"total":"1MB","items":[{"url":"a","on_miss":"smallest"}]}"#, "on_miss"),
            (r#"{"total":"1MB","items":[{"url":"a","min_bytes":9}]}"#, "min_bytes"),
            (r#"{"max_concurrent":0}"#, "max_concurrent"),
            (r#"{"max_concurrent":11}"#, "max_concurrent"),
            (r#"{"stop_on_error":"maybe"}"#, "stop_on_error"),
            (r#"{"colour":"red"}"#, "colour"),
        ] {
            let (BatchError::Spec(error) | BatchError::Item { error, .. }) = items(json).expect_err(json);
            assert_eq!(error.name, name, "{json}");
        }
    }
}
