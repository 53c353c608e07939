//! Sets of outputs: several answers from one picture, as `POST /variants` and presets describe them.

use std::time::Duration;

use super::preset::{check_name, pairs};
use super::written::{not_a, refuse};
use super::{
    Defaults, Given, Pairs, ParamError, Request, Table, Written, deadline, output_format, read, side, target_bytes,
};
use crate::byte_size::SIZE_GRAMMAR;
use crate::codec::output_names;
use crate::excerpt::quoted;
use crate::job::{Job, Mode, OnMiss};
use crate::named::named;

/// Outputs that a set may have.
pub const MAX_OUTPUTS: usize = 32;

/// The keys of a set.
const KEYS: &[&str] = &["outputs", "sizes", "formats", "widths", "defaults", "total", "deadline", "on_error"];

/// The one key that a set shares with the parameters of one answer.
const SHARED_KEY: &str = "deadline";

named! {
    /// What happens to a set when one of its outputs fails.
    #[derive(Default)]
    pub enum OnError {
        /// The other outputs are answered.
        #[default]
        Keep = "keep",
        /// The set fails.
        Fail = "fail",
    }
}

/// A set as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetSpec {
    outputs: Vec<Entry>,
    sizes: Vec<Entry>,
    /// Names of formats, as the names of outputs have them.
    formats: Vec<&'static str>,
    widths: Vec<u32>,
    defaults: Pairs,
    total: Option<String>,
    deadline: Option<String>,
    on_error: OnError,
}

/// An output or a size: its name and its parameters.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: String,
    pairs: Pairs,
    /// The width, where the entry comes from `widths`.
    listed_width: Option<u32>,
}

/// A valid set.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// At least one, with names that differ.
    pub outputs: Vec<Output>,
    /// Bytes that all outputs may have together. The target of an output is then the most that it may have of them.
    pub total: Option<u64>,
    /// Time for the whole set. The deadline of an output counts from the moment that its work begins.
    pub deadline: Duration,
    /// What happens when an output fails.
    pub on_error: OnError,
}

/// One output of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name in the answer.
    pub name: String,
    /// What `POST /compress` would be asked for.
    pub request: Request,
    /// The width, where the output comes from `widths`.
    listed_width: Option<u32>,
}

/// Why a set can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// A key of the set.
    #[error(transparent)]
    Spec(#[from] ParamError),
    /// A parameter of an output.
    #[error("output {output}: {error}")]
    Output {
        /// The name of the output.
        output: String,
        /// What is wrong with its parameter.
        error: ParamError,
    },
}

impl SetError {
    /// The key or parameter, after the name of its output.
    pub fn path(&self) -> String {
        match self {
            SetError::Spec(error) => error.name.clone(),
            SetError::Output { output, error } => format!("{output}.{}", error.name),
        }
    }
}

impl SetSpec {
    /// Whether `table` has a key that only sets have.
    pub(super) fn is_described_by(table: &Table) -> bool {
        table.entries().any(|(name, _)| name != SHARED_KEY && KEYS.contains(&name))
    }

    /// A set of one output, which asks for the preset of the same name.
    pub fn of_preset(name: &str) -> SetSpec {
        let pairs = vec![("preset".to_owned(), name.to_owned())];
        SetSpec { outputs: vec![Entry { name: name.to_owned(), pairs, listed_width: None }], ..SetSpec::default() }
    }

    /// Reads the set that `table` describes.
    ///
    /// # Errors
    /// [`ParamError`] for a key that is unknown or given twice, and for a value that is not of its kind.
    pub fn read(table: &Table) -> Result<SetSpec, ParamError> {
        let mut spec = SetSpec::default();
        for (at, (key, value)) in table.entries().enumerate() {
            if table.entries().take(at).any(|(earlier, _)| earlier == key) {
                return Err(refuse(key, None, "given twice", "each key once"));
            }
            match key {
                "outputs" => spec.outputs = entries(key, value)?,
                "sizes" => spec.sizes = entries(key, value)?,
                "formats" => spec.formats = formats(value)?,
                "widths" => spec.widths = widths(value)?,
                "defaults" => spec.defaults = pairs(inner_table(key, value)?)?,
                "total" => spec.total = Some(value.text().ok_or_else(|| not_a(key, "size"))?),
                "deadline" => spec.deadline = Some(value.text().ok_or_else(|| not_a(key, "duration"))?),
                "on_error" => spec.on_error = on_error(value)?,
                _ => return Err(refuse(key, value.text(), "unknown key", &KEYS.join(", "))),
            }
        }
        Ok(spec)
    }

    /// Every output of the set, with its parameters read.
    ///
    /// # Errors
    /// [`SetError::Spec`] for a set without outputs or with too many, for names that are not valid or not unique;
    /// [`SetError::Output`] for a parameter that can't be used.
    pub fn expand(&self, defaults: &Defaults) -> Result<Set, SetError> {
        let entries = self.entries()?;
        let total = self.total.as_deref().map(|text| target_bytes(text, "total", defaults.max_target)).transpose();
        let total = total.map_err(|reason| refuse("total", self.total.clone(), &reason, SIZE_GRAMMAR))?;
        let output = |entry| self.output(entry, total.is_some(), defaults);
        let outputs = entries.into_iter().map(output).collect::<Result<_, SetError>>()?;
        let time = self.deadline.as_deref().map(|text| deadline(text, defaults.max_deadline)).transpose();
        let time = time.map_err(|reason| refuse("deadline", self.deadline.clone(), &reason, "a duration"))?;
        Ok(Set { outputs, total, deadline: time.unwrap_or(defaults.max_deadline), on_error: self.on_error })
    }

    /// The outputs, each with parameters of its own.
    fn entries(&self) -> Result<Vec<Entry>, ParamError> {
        if !self.formats.is_empty() && self.sizes.is_empty() && self.widths.is_empty() {
            return Err(refuse("formats", None, "given without sizes or widths", "formats of sizes or widths"));
        }
        let count = self.outputs.len() + (self.sizes.len() + self.widths.len()) * self.formats.len().max(1);
        match count {
            0 => return Err(refuse("outputs", None, "missing", "outputs, sizes or widths")),
            1..=MAX_OUTPUTS => {}
            _ => {
                let allowed = format!("up to {MAX_OUTPUTS}");
                return Err(refuse("outputs", Some(count.to_string()), "too many outputs", &allowed));
            }
        }
        let listed = self.widths.iter().map(|width| Entry {
            name: format!("{width}w"),
            pairs: vec![("width".to_owned(), width.to_string())],
            listed_width: Some(*width),
        });
        let sizes: Vec<Entry> = self.sizes.iter().cloned().chain(listed).collect();
        let in_formats = sizes.into_iter().flat_map(|size| self.in_each_format(size));
        let entries: Vec<Entry> = self.outputs.iter().cloned().chain(in_formats).collect();
        for (at, entry) in entries.iter().enumerate() {
            check_name(&entry.name)?;
            if entries[..at].iter().any(|earlier| earlier.name == entry.name) {
                return Err(refuse("name", Some(entry.name.clone()), "given twice", "another name for each output"));
            }
        }
        Ok(entries)
    }

    fn in_each_format(&self, size: Entry) -> Vec<Entry> {
        if self.formats.is_empty() {
            return vec![size];
        }
        let in_format = |format: &&str| {
            let mut entry = size.clone();
            entry.name = format!("{}.{format}", size.name);
            entry.pairs.push(("format".to_owned(), (*format).to_owned()));
            entry
        };
        self.formats.iter().map(in_format).collect()
    }

    fn output(&self, entry: Entry, has_total: bool, defaults: &Defaults) -> Result<Output, SetError> {
        let request = self.request(&entry, defaults).and_then(|request| match has_total {
            true => check_within_total(&request.job, "output", "set").map(|()| request),
            false => Ok(request),
        });
        let request = request.map_err(|error| SetError::Output { output: entry.name.clone(), error })?;
        Ok(Output { name: entry.name, request, listed_width: entry.listed_width })
    }

    /// The parameters of the output come first, then those of its preset, then the defaults of the set. The total is
    /// the target where none of them has one.
    fn request(&self, entry: &Entry, defaults: &Defaults) -> Result<Request, ParamError> {
        let own = Given::new(&entry.pairs)?.with_preset(&defaults.presets)?;
        let shared = Given::new(&self.defaults)?.with_preset(&defaults.presets)?;
        let total = self.total.as_deref().map(|total| ("target", total));
        read(&own.filled_from(shared.0).filled_from(total), defaults)
    }
}

impl Set {
    /// Leaves the smallest of the listed widths that give the same picture of a source of `width` x `height`: those
    /// that are at least as wide as the source is when it is cropped and turned.
    pub fn collapse_widths(&mut self, width: u32, height: u32) {
        let listed = |output: &Output| {
            let size = output.request.job.transforms().size(width, height).ok()?;
            Some((output.listed_width?, size))
        };
        let all: Vec<(u32, (u32, u32))> = self.outputs.iter().filter_map(listed).collect();
        self.outputs.retain(|output| {
            let is_first = |(width, size)| !all.iter().any(|(other, same)| *same == size && *other < width);
            listed(output).is_none_or(is_first)
        });
    }
}

/// Refuses what says how the target of one answer is met: an output of a set, or an item of a batch, gets a share of
/// the total, which it has no say in.
pub(super) fn check_within_total(job: &Job, one: &str, all: &str) -> Result<(), ParamError> {
    let parameter = match (job.mode, job.on_miss) {
        (Mode::Fit { min_bytes: None }, OnMiss::Error) => return Ok(()),
        (Mode::Fit { min_bytes: None }, OnMiss::Smallest) => "on_miss",
        (Mode::Fit { min_bytes: Some(_) }, _) => "min_bytes",
        (Mode::Exact | Mode::Close { .. }, _) => "mode",
    };
    Err(refuse(
        parameter,
        None,
        &format!("says how the target of one {one} is met, and the {all} has a total"),
        &format!("a {all} without total"),
    ))
}

fn inner_table<'a>(key: &str, value: &'a Written) -> Result<&'a Table, ParamError> {
    match value {
        Written::Table(table) => Ok(table),
        _ => Err(not_a(key, "table")),
    }
}

fn list<'a>(key: &str, value: &'a Written) -> Result<&'a [Written], ParamError> {
    match value {
        Written::List(list) => Ok(list),
        _ => Err(not_a(key, "list")),
    }
}

fn entries(key: &str, value: &Written) -> Result<Vec<Entry>, ParamError> {
    list(key, value)?.iter().map(|value| entry(inner_table(key, value)?)).collect()
}

fn entry(table: &Table) -> Result<Entry, ParamError> {
    let (names, parameters): (Pairs, Pairs) = pairs(table)?.into_iter().partition(|(name, _)| name == "name");
    match <[_; 1]>::try_from(names) {
        Ok([(_, name)]) => Ok(Entry { name, pairs: parameters, listed_width: None }),
        Err(names) => {
            let reason = if names.is_empty() { "missing" } else { "given twice" };
            Err(refuse("name", None, reason, "one name for each output"))
        }
    }
}

fn formats(value: &Written) -> Result<Vec<&'static str>, ParamError> {
    let texts = value.text().ok_or_else(|| not_a("formats", "list"))?;
    let name = |text: &str| match output_format(text.trim()) {
        Ok(format) => Ok(format.name()),
        Err(reason) => Err(refuse("formats", Some(text.to_owned()), &reason, output_names!())),
    };
    texts.split(',').map(name).collect()
}

/// The widths of a srcset, each once.
fn widths(value: &Written) -> Result<Vec<u32>, ParamError> {
    let width = |value: &Written| {
        let text = value.text().ok_or_else(|| not_a("widths", "list of numbers"))?;
        side(&text).map_err(|reason| refuse("widths", Some(text), &reason, "whole numbers from 1 to 65535"))
    };
    let mut widths: Vec<u32> = Vec::new();
    for width in list("widths", value)?.iter().map(width) {
        let width = width?;
        if !widths.contains(&width) {
            widths.push(width);
        }
    }
    Ok(widths)
}

fn on_error(value: &Written) -> Result<OnError, ParamError> {
    let text = value.text().unwrap_or_default();
    OnError::from_name(&text).ok_or_else(|| {
        refuse("on_error", Some(text.clone()), &format!("{} is not a choice", quoted(&text)), "keep or fail")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Format;
    use crate::job::Formats;
    use proptest::prelude::*;

    fn expand(json: &str) -> Result<Set, SetError> {
        let table: Table = serde_json::from_str(json).unwrap();
        SetSpec::read(&table)?.expand(&Defaults::default())
    }

    fn names(set: &Set) -> Vec<&str> {
        set.outputs.iter().map(|output| output.name.as_str()).collect()
    }

    #[test]
    fn outputs_come_first_then_sizes_then_widths_in_every_format() {
        let set = expand(
            r#"{"outputs":[{"name":"thumb","width":150,"format":"webp","target":"8KB"}],
                "sizes":[{"name":"full","width":2048,"target":"300KB"}], "formats":["avif","JPG"], "widths":[320],
                "defaults":{"effort":"fast","target":"50KB"}, "deadline":"30s", "on_error":"fail"}"#,
        )
        .unwrap();
        assert_eq!(names(&set), ["thumb", "full.avif", "full.jpeg", "320w.avif", "320w.jpeg"]);
        let targets: Vec<u64> = set.outputs.iter().map(|output| output.request.job.target).collect();
        assert_eq!(targets, [8_000, 300_000, 300_000, 50_000, 50_000]);
        assert_eq!(set.outputs[2].request.job.formats, Formats::Among(vec![Format::Jpeg]));
        assert!(set.outputs.iter().all(|output| output.request.job.effort == crate::job::Effort::Fast));
        assert_eq!((set.deadline, set.on_error), (Duration::from_secs(30), OnError::Fail));
    }

    #[test]
    fn what_can_not_be_used_is_named() {
        let many: Vec<String> = (0..33).map(|at| format!(r#"{{"name":"o{at}","target":1}}"#)).collect();
        let many = format!(r#"{{"outputs":[{}]}}"#, many.join(","));
        for (json, path) in [
            ("{}", "outputs"),
            (r#"{"outputs":[]}"#, "outputs"),
            (r#"{"outputs":{"name":"a"}}"#, "outputs"),
            (r#"{"outputs":[{"target":1}]}"#, "name"),
            (r#"{"outputs":[{"name":"A","target":1}]}"#, "name"),
            (r#"{"outputs":[{"name":"a","target":1},{"name":"a","target":2}]}"#, "name"),
            (r#"{"outputs":[{"name":"a","name":"b","target":1}]}"#, "name"),
            (r#"{"outputs":[{"name":"a"}]}"#, "a.target"),
            (r#"{"outputs":[{"name":"a","target":1,"width":0}]}"#, "a.width"),
            (r#"{"outputs":[{"name":"a","target":1,"colour":"red"}]}"#, "a.colour"),
            (r#"{"outputs":[{"name":"a","target":1,"target":2}]}"#, "a.target"),
            (r#"{"outputs":[{"name":"a","target":1,"preset":"b"}]}"#, "a.preset"),
            (r#"{"outputs":[{"name":"a","target":{}}]}"#, "target"),
            (r#"{"sizes":[{"name":"a","target":1,"format":"png"}],"formats":["webp"]}"#, "a.webp.format"),
            (r#"{"sizes":[{"name":"a","target":1}],"formats":["webp","webp"]}"#, "name"),
            (r#"{"sizes":[{"name":"a","target":1}],"formats":["gif"]}"#, "formats"),
            (r#"{"outputs":[{"name":"a","target":1}],"formats":["webp"]}"#, "formats"),
            (r#"{"widths":[0],"defaults":{"target":1}}"#, "widths"),
            (r#"{"widths":[320]}"#, "320w.target"),
            (r#"{"outputs":[{"name":"a","target":1}],"deadline":"1h"}"#, "deadline"),
            (r#"{"outputs":[{"name":"a","target":1}],"on_error":"retry"}"#, "on_error"),
            (r#"{"outputs":[{"name":"a"}],"total":0}"#, "total"),
            (r#"{"outputs":[{"name":"a"}],"total":"2GB"}"#, "total"),
            (r#"{"outputs":[{"name":"a"}],"total":{}}"#, "total"),
            (r#"{"outputs":[{"name":"a","mode":"exact"}],"total":"9KB"}"#, "a.mode"),
            (r#"{"outputs":[{"name":"a","tolerance":1,"mode":"close"}],"total":"9KB"}"#, "a.mode"),
            (r#"{"outputs":[{"name":"a","min_bytes":1}],"total":"9KB"}"#, "a.min_bytes"),
            (r#"{"outputs":[{"name":"a","on_miss":"smallest"}],"total":"9KB"}"#, "a.on_miss"),
            (r#"{"outputs":[{"name":"a","target":1}],"colour":"red"}"#, "colour"),
            (r#"{"outputs":[{"name":"a","target":1}],"outputs":[]}"#, "outputs"),
            (&many, "outputs"),
        ] {
            assert_eq!(expand(json).expect_err(json).path(), path, "{json}");
        }
    }

    #[test]
    fn a_total_is_the_target_of_outputs_without_one() {
        let set = expand(
            r#"{"outputs":[{"name":"own","target":"20KB"},{"name":"a","max_bytes":5}],"widths":[320],"total":"500KB"}"#,
        );
        let set = set.unwrap();
        assert_eq!(set.total, Some(500_000));
        let targets: Vec<u64> = set.outputs.iter().map(|output| output.request.job.target).collect();
        assert_eq!(targets, [20_000, 5, 500_000]);
        assert_eq!(expand(r#"{"outputs":[{"name":"a","target":5}]}"#).unwrap().total, None);
    }

    #[test]
    fn widths_above_the_source_collapse_into_one() {
        let json = r#"{"widths":[320,640,1280,2560],"formats":["webp","jpeg"],"defaults":{"target":9000}}"#;
        let left_of = |json: &str, (width, height): (u32, u32)| {
            let mut set = expand(json).unwrap();
            set.collapse_widths(width, height);
            names(&set).iter().filter_map(|name| name.strip_suffix("w.webp")?.parse().ok()).collect::<Vec<u32>>()
        };
        let left = |source: u32| left_of(json, (source, 9000));
        assert_eq!(left(4000), [320, 640, 1280, 2560]);
        assert_eq!(left(1000), [320, 640, 1280]);
        assert_eq!(left(640), [320, 640]);
        assert_eq!(left(100), [320]);
        let with = |more: &str, size| left_of(&json.replace("9000", &format!("9000,{more}")), size);
        assert_eq!(with(r#""enlarge":true"#, (100, 100)).len(), 4);
        assert_eq!(with(r#""rotate":90"#, (2000, 640)), [320, 640], "it is as wide as the source is high");
        assert_eq!(with(r#""crop":"0,0,50%,50%""#, (2000, 2000)), [320, 640, 1280]);
        assert_eq!(
            with(r#""resize":"contain","height":700"#, (100, 100)).len(),
            4,
            "the canvas is as wide as it is asked to be"
        );
        assert_eq!(with(r#""height":300"#, (1000, 1000)), [320], "the height bounds them all");
    }

    proptest! {
        #[test]
        fn names_are_unique_and_valid_or_refused(names_given in prop::collection::vec("[a-zA-Z._/ ]{0,3}", 1..6)) {
            let outputs: Vec<String> =
                names_given.iter().map(|name| format!(r#"{{"name":"{name}","target":1}}"#)).collect();
            let Ok(set) = expand(&format!(r#"{{"outputs":[{}]}}"#, outputs.join(","))) else { return Ok(()) };
            let mut unique = names(&set);
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), names_given.len());
            prop_assert!(unique.iter().all(|name| check_name(name).is_ok()));
        }
    }
}
