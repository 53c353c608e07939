//! Parses named text values to a valid [`Job`]. Query, form and command line share this grammar.

mod batch;
mod defaults;
mod preset;
mod set;
mod transforms;
mod written;

use std::time::Duration;

use crate::byte_size::{SIZE_GRAMMAR, SizeError, parse_size};
use crate::codec::{Format, MetadataPolicy, output_names};
use crate::duration::{parse_duration, show_duration};
use crate::excerpt::{excerpt, quoted};
use crate::job::{Effort, Formats, Job, Mode, OnMiss};
use crate::named::named;
use crate::picture::transform::{Flip, Resize, ResizeFit, Rotation};
pub use batch::{BatchError, BatchItem, BatchSpec, DEFAULT_CONCURRENT, MAX_CONCURRENT, MAX_URL_BYTES, Picture};
pub use defaults::Defaults;
pub use preset::{Preset, Presets, names_with_sets};
pub use set::{MAX_OUTPUTS, OnError, Output, Set, SetError, SetSpec};
pub use written::{Table, Written};

/// A valid request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What the parameters ask for; the deployment's defaults where they say nothing.
    pub job: Job,
    /// Whether `format` was auto or absent: the caller may narrow `job.formats` to what the client accepts.
    pub auto_format: bool,
    /// Name for Content-Disposition.
    pub filename: Option<String>,
}

/// A parameter that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}, allowed: {allowed}")]
pub struct ParamError {
    /// The parameter's name as given, cut when it is long.
    pub name: String,
    /// The given value, cut when it is long; `None` when the parameter is missing.
    pub given: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// Which values are allowed.
    pub allowed: String,
}

impl ParamError {
    /// The error of the parameter `name`; what was given is cut when it is long.
    pub(crate) fn new(name: &str, given: Option<&str>, reason: &str, allowed: &str) -> ParamError {
        ParamError {
            name: excerpt(name).into_owned(),
            given: given.map(|given| excerpt(given).into_owned()),
            reason: reason.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    /// The error of a parameter of the table, which says what is allowed.
    fn of_parameter(name: &str, given: Option<&str>, reason: Refusal) -> ParamError {
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
        ParamError::new(name, given, &reason, parameter.map_or("", |parameter| parameter.allowed))
    }
}

/// A parameter: its name and its documentation, for error messages, OpenAPI and `--help`.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The key in a query or form. The command line writes a hyphen for each underscore.
    pub name: &'static str,
    /// Which values are allowed, in the words of the error messages.
    pub allowed: &'static str,
    /// The value when the parameter is absent.
    pub default: &'static str,
    /// One line for `--help` and OpenAPI.
    pub meaning: &'static str,
    /// Every value of a parameter that has a fixed set of them; empty for any other.
    pub values: &'static [&'static str],
}

named! {
    /// The value of `mode`.
    pub(crate) enum ModeName {
        Fit = "fit",
        Exact = "exact",
        Close = "close",
    }
}

named! {
    /// The value of `downscale`.
    pub(crate) enum Downscale {
        Auto = "auto",
        Never = "never",
    }
}

macro_rules! parameters {
    ($($name:literal, $default:literal, $allowed:expr, $meaning:literal $(, one of $values:expr)?;)*) => {
        &[$(Parameter {
            name: $name,
            default: $default,
            allowed: $allowed,
            meaning: $meaning,
            values: [$($values,)? &[]][0],
        },)*]
    };
}

/// What a parameter that is on or off allows.
pub(crate) const SWITCH_GRAMMAR: &str = "true or false";

/// What a width or height allows.
pub(crate) const SIDE_GRAMMAR: &str = "a whole number from 1 to 65535";

/// Every parameter of a request; `max_bytes` is an alias of `target`.
pub const PARAMETERS: &[Parameter] = parameters! {
    "target", "required", SIZE_GRAMMAR, "the target size of the answer";
    "max_bytes", "none", SIZE_GRAMMAR, "another name for target";
    "mode", "fit", "fit, exact or close",
        "how the target is met: fit is at most the target, exact is padded to it, close is within the tolerance, above or below",
        one of ModeName::NAMES;
    "tolerance", "5KB", "a size, or a percentage of the target (5%)", "largest difference between the answer and the target, with mode=close only";
    "min_bytes", "none", "a size up to the target", "pads a smaller answer to this many bytes, with mode=fit only";
    "format", "auto", concat!("auto, keep, or a list of ", output_names!()),
        "formats that the answer may have, the best-looking one is chosen; auto means those of the Accept header or the configured ones, keep the format of the input";
    "quality", "95", "a number from 1 to 100", "highest quality: the answer is smaller than the target when this quality takes fewer bytes; equal values look alike in all formats";
    "crop", "none", "x,y,width,height in pixels or percent, inside the picture", "part to cut out of the upright picture before anything else";
    "rotate", "0", "0, 90, 180 or 270", "turn clockwise after the crop, in degrees", one of Rotation::NAMES;
    "flip", "none", "none, horizontal or vertical", "mirroring after the turn: horizontal swaps left and right, vertical top and bottom",
        one of Flip::NAMES;
    "width", "none", SIDE_GRAMMAR, "width to resize to, in pixels";
    "height", "none", SIDE_GRAMMAR, "height to resize to, in pixels";
    "resize", "inside", "inside, cover, fill or contain",
        "how the picture meets width and height: inside fits it within them, cover fills them and crops it, fill stretches it, contain fits it within them and pads it with background",
        one of ResizeFit::NAMES;
    "gravity", "centre", "centre, north, north-east and so on, x,y from 0 to 1, or smart",
        "what resize=cover keeps and where resize=contain lays the picture; smart looks for detail, skin and colour";
    "enlarge", "false", SWITCH_GRAMMAR, "whether the picture may be enlarged to width and height";
    "blur", "none", "a number from 0.3 to 100", "sigma of a Gaussian blur after resizing, in pixels";
    "sharpen", "0", "a number from 0 to 10", "sigma of an unsharp mask after resizing, in pixels; 0 changes nothing";
    "grayscale", "false", SWITCH_GRAMMAR, "whether the colour is taken out, after everything else";
    "downscale", "auto", "auto or never", "whether the picture may be made smaller when the target is too low for its size",
        one of Downscale::NAMES;
    "min_width", "none", SIDE_GRAMMAR, "the picture is not made narrower than this, in pixels, to meet the target";
    "min_height", "none", SIDE_GRAMMAR, "the picture is not made lower than this, in pixels, to meet the target";
    "min_score", "none", "a number from 0 to 100", "lowest SSIMULACRA2 score that the answer may have";
    "effort", "balanced", "fast, balanced or best", "how much CPU time is spent on quality", one of Effort::NAMES;
    "progressive", "true", SWITCH_GRAMMAR, "whether a JPEG may be progressive: some printers and portals read baseline files only";
    "metadata", "strip", "strip, copyright or keep", "what happens to EXIF and XMP; keep keeps the density of printed pictures, too", one of MetadataPolicy::NAMES;
    "dpi", "none", SIDE_GRAMMAR, "pixels per inch that the answer says it is printed with, whatever metadata says; pixels don't change";
    "background", "ffffff", "a colour as rgb or rrggbb, in hexadecimal", "colour behind transparent parts when the format has no transparency, and around the picture with resize=contain";
    "deadline", "configured", "a duration (800ms, 5s, 1m) up to the configured maximum", "time limit of the whole job; when it is over, the best answer so far is returned";
    "on_miss", "error", "error or smallest", "what to do when the target can't be met", one of OnMiss::NAMES;
    "preset", "none", "the name of a preset of the configuration", "parameters under a name, which stand where the request says nothing";
    "filename", "none", "up to 255 characters, no control characters", "file name in Content-Disposition";
};

/// The tolerance of `mode=close` when the request has none, in bytes.
pub const DEFAULT_TOLERANCE: u64 = 5_000;

/// Parses `pairs` of name and value, in any order. The parameters of a preset stand where `pairs` say nothing.
///
/// # Errors
/// [`ParamError`] for an unknown name, a name given twice, an invalid value, a contradiction, a missing target, an unknown
/// preset, and for parameters beside a preset where only presets may be asked for.
pub fn parse(pairs: &[(String, String)], defaults: &Defaults) -> Result<Request, ParamError> {
    let given = Given::new(pairs)?;
    if defaults.presets_only {
        given.check_only_preset(&defaults.presets)?;
    }
    read(&given.with_preset(&defaults.presets)?, defaults)
}

/// The request that `given` describes.
fn read(given: &Given, defaults: &Defaults) -> Result<Request, ParamError> {
    let target = target(given, defaults)?;
    let formats = given.parse("format", formats)?.unwrap_or(FormatChoice::Auto);
    let auto_format = formats == FormatChoice::Auto;
    let formats = match formats {
        FormatChoice::Auto => Formats::Among(defaults.formats.clone()),
        FormatChoice::Keep => Formats::Keep,
        FormatChoice::List(list) => Formats::Among(list),
    };
    let usual = Job::new(target, formats);
    let job = Job {
        mode: mode(given, target)?,
        quality: given.parse("quality", |text| number(text, 1.0, 100.0))?.unwrap_or(usual.quality),
        crop: given.parse("crop", transforms::crop)?,
        rotate: given.one_of("rotate", Rotation::CHOICES)?.unwrap_or(usual.rotate),
        flip: given.one_of("flip", Flip::CHOICES)?.unwrap_or(usual.flip),
        resize: resize(given)?,
        gravity: given.parse("gravity", transforms::gravity)?.unwrap_or(usual.gravity),
        blur: given.parse("blur", transforms::blur)?,
        sharpen: given.parse("sharpen", transforms::sharpen)?.flatten(),
        grayscale: given.one_of("grayscale", SWITCH)?.unwrap_or(usual.grayscale),
        downscale: given
            .one_of("downscale", Downscale::CHOICES)?
            .map_or(usual.downscale, |downscale| downscale == Downscale::Auto),
        min_width: given.parse("min_width", side)?,
        min_height: given.parse("min_height", side)?,
        min_score: given.parse("min_score", |text| number(text, 0.0, 100.0))?,
        effort: given.one_of("effort", Effort::CHOICES)?.unwrap_or(usual.effort),
        progressive: given.one_of("progressive", SWITCH)?.unwrap_or(usual.progressive),
        metadata: given.one_of("metadata", MetadataPolicy::CHOICES)?.unwrap_or(usual.metadata),
        dpi: given.parse("dpi", dpi)?,
        background: given.parse("background", colour)?.unwrap_or(usual.background),
        on_miss: given.one_of("on_miss", OnMiss::CHOICES)?.unwrap_or(usual.on_miss),
        deadline: given.parse("deadline", |text| deadline(text, defaults.max_deadline))?.unwrap_or(defaults.deadline),
        ..usual
    };
    Ok(Request { job, auto_format, filename: given.parse("filename", filename)? })
}

/// The ways to write yes and no.
const SWITCH: &[(&str, bool)] = &[
    ("true", true),
    ("yes", true),
    ("on", true),
    ("1", true),
    ("false", false),
    ("no", false),
    ("off", false),
    ("0", false),
];

/// Why a value was refused. The table adds the name and what is allowed.
type Refusal = String;

/// Names and values, in the order in which they are given.
pub type Pairs = Vec<(String, String)>;

/// Parameters that may stand beside a preset where only presets may be asked for: none costs more or shows more.
const BESIDE_PRESET: &[&str] = &["preset", "filename"];

/// The given pairs, where every name is known and given once.
struct Given<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Given<'a> {
    fn new(pairs: &'a [(String, String)]) -> Result<Given<'a>, ParamError> {
        for (index, (name, value)) in pairs.iter().enumerate() {
            if !PARAMETERS.iter().any(|parameter| parameter.name == name) {
                let names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
                return Err(ParamError::new(name, Some(value), "unknown parameter", &names.join(", ")));
            }
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(ParamError::of_parameter(name, Some(value), "given twice".to_owned()));
            }
        }
        Ok(Given(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// Refuses everything but a preset.
    fn check_only_preset(&self, presets: &Presets) -> Result<(), ParamError> {
        let other = self.0.iter().find(|(name, _)| !BESIDE_PRESET.contains(name));
        if other.is_none() && self.get("preset").is_some() {
            return Ok(());
        }
        let (name, given) = other.map_or(("preset", None), |(name, value)| (*name, Some(*value)));
        let mut error = ParamError::of_parameter(name, given, "only presets may be asked for".to_owned());
        error.allowed = format!("preset={}", preset::names(presets));
        Err(error)
    }

    /// Adds the parameters of the preset that is asked for.
    fn with_preset(self, presets: &'a Presets) -> Result<Given<'a>, ParamError> {
        let Some(name) = self.get("preset") else { return Ok(self) };
        let reason = match presets.get(name) {
            Some(Preset::Parameters(pairs)) => {
                return Ok(self.filled_from(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
            }
            Some(Preset::Set(_)) => format!("{} is a set of outputs, for POST /variants alone", quoted(name)),
            None => format!("there is no preset {}", quoted(name)),
        };
        Err(ParamError { allowed: preset::names(presets), ..ParamError::of_parameter("preset", Some(name), reason) })
    }

    /// Adds those of `others` on which nothing is given yet.
    fn filled_from(mut self, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Given<'a> {
        let mode = self.get("mode");
        let has_mode = |name: &str| mode.is_none_or(|mode| mode.eq_ignore_ascii_case(name));
        let has_target = self.get("target").or(self.get("max_bytes")).is_some();
        for (name, value) in others {
            let stays = match name {
                "target" | "max_bytes" => !has_target,
                "tolerance" => has_mode(ModeName::Close.name()),
                "min_bytes" => has_mode(ModeName::Fit.name()),
                _ => true,
            };
            if stays && self.get(name).is_none() {
                self.0.push((name, value));
            }
        }
        self
    }

    fn parse<T>(&self, name: &str, parser: impl FnOnce(&str) -> Result<T, Refusal>) -> Result<Option<T>, ParamError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        parser(value).map(Some).map_err(|reason| ParamError::of_parameter(name, Some(value), reason))
    }

    fn one_of<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, ParamError> {
        self.parse(name, |text| {
            let choice = choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(text));
            choice.map(|(_, value)| *value).ok_or_else(|| format!("{} is not a choice", quoted(text)))
        })
    }
}

fn target(given: &Given, defaults: &Defaults) -> Result<u64, ParamError> {
    let name = if given.get("max_bytes").is_some() { "max_bytes" } else { "target" };
    if name == "max_bytes" && given.get("target").is_some() {
        return Err(ParamError::of_parameter(
            name,
            given.get(name),
            "given together with target, which means the same".to_owned(),
        ));
    }
    let bytes = given.parse(name, |text| target_bytes(text, "target", defaults.max_target))?;
    bytes.ok_or_else(|| ParamError::of_parameter("target", None, "missing".to_owned()))
}

/// The bytes of a target or a total, which is called `what` in messages.
fn target_bytes(text: &str, what: &str, limit: u64) -> Result<u64, Refusal> {
    match size(text)? {
        0 => Err(format!("a {what} is at least 1 byte")),
        bytes if bytes > limit => Err(format!("{bytes} bytes is over the limit of {limit} bytes")),
        bytes => Ok(bytes),
    }
}

fn mode(given: &Given, target: u64) -> Result<Mode, ParamError> {
    let kind = given.one_of("mode", ModeName::CHOICES)?.unwrap_or(ModeName::Fit);
    let misplaced = |parameter: &str, only: ModeName| {
        let reason = format!("works with mode={} only, the mode is {}", only.name(), kind.name());
        ParamError::of_parameter(parameter, given.get(parameter), reason)
    };
    if kind != ModeName::Close && given.get("tolerance").is_some() {
        return Err(misplaced("tolerance", ModeName::Close));
    }
    if kind != ModeName::Fit && given.get("min_bytes").is_some() {
        return Err(misplaced("min_bytes", ModeName::Fit));
    }
    Ok(match kind {
        ModeName::Fit => Mode::Fit { min_bytes: given.parse("min_bytes", |text| min_bytes(text, target))? },
        ModeName::Exact => Mode::Exact,
        ModeName::Close => Mode::Close {
            tolerance: given.parse("tolerance", |text| tolerance(text, target))?.unwrap_or(DEFAULT_TOLERANCE),
        },
    })
}

fn resize(given: &Given) -> Result<Option<Resize>, ParamError> {
    let width = given.parse("width", side)?;
    let height = given.parse("height", side)?;
    let fit = given.one_of("resize", ResizeFit::CHOICES)?.unwrap_or_default();
    let enlarge = given.one_of("enlarge", SWITCH)?.unwrap_or(false);
    Ok((width.is_some() || height.is_some()).then_some(Resize { width, height, fit, enlarge }))
}

fn size(text: &str) -> Result<u64, Refusal> {
    parse_size(text).map_err(|error: SizeError| format!("{} is {error}", quoted(text)))
}

fn min_bytes(text: &str, target: u64) -> Result<u64, Refusal> {
    match size(text)? {
        bytes if bytes > target => Err(format!("{bytes} bytes is more than the target of {target} bytes")),
        bytes => Ok(bytes),
    }
}

fn tolerance(text: &str, target: u64) -> Result<u64, Refusal> {
    let Some(percent) = text.strip_suffix('%') else { return size(text) };
    let percent = number(percent, 0.0, 100.0)?;
    Ok((target as f64 * percent / 100.0) as u64)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, Refusal> {
    // f64 also parses "inf", "nan" and exponents.
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = plain
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .ok_or_else(|| format!("{} is not a plain number", quoted(text)))?;
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{} is outside {least} to {most}", excerpt(text)))
    }
}

fn side(text: &str) -> Result<u32, Refusal> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = plain
        .then(|| text.parse::<u32>().ok())
        .flatten()
        .ok_or_else(|| format!("{} is not a whole number", quoted(text)))?;
    if (1..=65_535).contains(&value) { Ok(value) } else { Err(format!("{} is outside 1 to 65535", excerpt(text))) }
}

fn dpi(text: &str) -> Result<u16, Refusal> {
    side(text).map(|dpi| dpi as u16)
}

#[derive(PartialEq)]
enum FormatChoice {
    Auto,
    Keep,
    List(Vec<Format>),
}

fn formats(text: &str) -> Result<FormatChoice, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => return Ok(FormatChoice::Auto),
        "keep" => return Ok(FormatChoice::Keep),
        _ => {}
    }
    let mut list = Vec::new();
    for name in text.split(',').map(str::trim) {
        let format = output_format(name)?;
        if !list.contains(&format) {
            list.push(format);
        }
    }
    Ok(FormatChoice::List(list))
}

/// The output format called `name`, in upper or lower case. jpg means jpeg.
///
/// # Errors
/// A message for the user.
pub fn output_format(name: &str) -> Result<Format, String> {
    let format = Format::of_name(name).filter(|format| format.is_output());
    format.ok_or_else(|| format!(concat!("{} is not an output format: ", output_names!()), quoted(name)))
}

fn colour(text: &str) -> Result<[u8; 3], Refusal> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let refusal = || format!("{} is not a colour", quoted(text));
    let nibbles: Vec<u8> =
        digits.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>().ok_or_else(refusal)?;
    match nibbles[..] {
        [r, g, b] => Ok([r * 17, g * 17, b * 17]),
        [r1, r0, g1, g0, b1, b0] => Ok([r1 * 16 + r0, g1 * 16 + g0, b1 * 16 + b0]),
        _ => Err(refusal()),
    }
}

fn deadline(text: &str, most: Duration) -> Result<Duration, Refusal> {
    let duration = parse_duration(text)?;
    if duration < Duration::from_millis(1) {
        return Err("a deadline is at least 1 ms".to_owned());
    }
    if duration > most {
        return Err(format!("{} is over the limit of {}", excerpt(text), show_duration(most)));
    }
    Ok(duration)
}

fn filename(text: &str) -> Result<String, Refusal> {
    let usable = !text.is_empty() && text.chars().count() <= 255 && !text.chars().any(char::is_control);
    if usable { Ok(text.to_owned()) } else { Err("not a usable file name".to_owned()) }
}

#[cfg(test)]
mod tests;
