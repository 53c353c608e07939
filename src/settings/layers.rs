//! Reads settings from their sources and merges them. Values are applied one at a time, so that an error names the
//! source of the value that is wrong.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use toml::de::DeTable;
use toml::{Table, Value};

use super::{DEFAULT_TOML, Flags, Settings, open_telemetry};
use crate::config_value::InvalidConfig;
use crate::excerpt::{cut_in, excerpt, quoted};

/// Largest size of a settings file, or of a file that holds one value: a hundred times what all settings need.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The embedded defaults.
    Default,
    /// A line of a file, counted from 1.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Variable(String),
    /// A command line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("defaults"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(&excerpt(name)),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// Why the settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The configuration file can't be read.
    #[error("{}: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// The configuration file is not TOML.
    #[error("{origin}: {reason}")]
    Syntax { origin: Origin, reason: String },
    /// A key is unknown, or its value can't be used.
    #[error("{origin}: {}: {reason}", excerpt(.key))]
    Value { origin: Origin, key: String, reason: String },
}

/// One value that replaces the value of a lower layer.
#[derive(Debug)]
pub(super) struct Override {
    origin: Origin,
    section: String,
    /// `None` when the file has a plain value or an empty table instead of a section.
    key: Option<String>,
    /// The key within the preset that `key` names.
    preset_key: Option<String>,
    value: Value,
}

/// The section whose keys are tables, under names that the user chooses.
const PRESETS: &str = "presets";

/// Keys that are tables, by their section.
const TABLES: &[(&str, &str)] = &[("limits", "rate")];

impl Override {
    fn name(&self) -> String {
        let pieces = [Some(&self.section), self.key.as_ref(), self.preset_key.as_ref()];
        pieces.into_iter().flatten().map(String::as_str).collect::<Vec<&str>>().join(".")
    }

    /// The key of a section, or of a table in it as each preset is one: `NAME.KEY`, where the environment has two
    /// underscores for the dot.
    pub(super) fn of_key(origin: Origin, section: &str, key: &str, value: Value) -> Override {
        let (key, preset_key) = match key.split_once("__") {
            Some((name, key)) if section == PRESETS || TABLES.contains(&(section, name)) => {
                (name, Some(key.to_owned()))
            }
            _ => (key, None),
        };
        Override { origin, section: section.to_owned(), key: Some(key.to_owned()), preset_key, value }
    }

    /// The override itself, or for a preset the empty table and each of its keys, which stand where `origin` says.
    fn with_preset_keys(mut self, origin: impl Fn(&str) -> Origin) -> Vec<Override> {
        let (PRESETS, Value::Table(keys)) = (self.section.as_str(), &mut self.value) else { return vec![self] };
        let keys = std::mem::take(keys);
        let of_preset = |(key, value): (String, Value)| Override {
            origin: origin(&key),
            section: self.section.clone(),
            key: self.key.clone(),
            preset_key: Some(key),
            value,
        };
        let keys: Vec<Override> = keys.into_iter().map(of_preset).collect();
        [self].into_iter().chain(keys).collect()
    }

    /// `error`, which serde returned for this value. Long names and texts in its message are shortened.
    fn error(&self, error: &toml::de::Error) -> SettingsError {
        let given = [Some(self.section.as_str()), self.key.as_deref(), self.value.as_str()];
        let given: Vec<&str> = given.into_iter().flatten().collect();
        let reason = cut_in(error.message(), &given);
        SettingsError::Value { origin: self.origin.clone(), key: self.name(), reason }
    }

    /// Checks that the section and key exist. serde can't check it in sections that are flattened.
    fn check_known(&self, defaults: &Table) -> Result<(), SettingsError> {
        if self.section == PRESETS {
            return Ok(());
        }
        let section = defaults.get(&self.section).and_then(Value::as_table);
        let (unknown, known) = match (section, &self.key) {
            (None, _) => (&self.section, defaults),
            (Some(section), Some(key)) if !section.contains_key(key) => (key, section),
            _ => return Ok(()),
        };
        let known: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
        let reason = format!("unknown field `{}`, expected one of {}", excerpt(unknown), known.join(", "));
        Err(SettingsError::Value { origin: self.origin.clone(), key: self.name(), reason })
    }

    fn apply_to(&self, table: &mut Table) {
        let Some(key) = &self.key else {
            // An empty section changes nothing. A plain value is added, for serde to refuse it.
            if !self.value.is_table() {
                table.insert(self.section.clone(), self.value.clone());
            }
            return;
        };
        let Value::Table(section) = inner_table(table, &self.section) else { return };
        match &self.preset_key {
            None => drop(section.insert(key.clone(), self.value.clone())),
            Some(preset_key) => {
                if let Value::Table(preset) = inner_table(section, key) {
                    preset.insert(preset_key.clone(), self.value.clone());
                }
            }
        }
    }
}

/// The value under `key`, an empty table at first.
fn inner_table<'a>(table: &'a mut Table, key: &str) -> &'a mut Value {
    table.entry(key).or_insert_with(|| Value::Table(Table::new()))
}

/// Applies `overrides` to the defaults, one after the other.
///
/// # Errors
/// [`SettingsError::Value`] when a key is unknown or a value can't be used.
pub(super) fn apply(overrides: Vec<Override>) -> Result<Settings, SettingsError> {
    let defaults: Table = DEFAULT_TOML.parse().expect("the embedded defaults are TOML");
    let mut table = defaults.clone();
    let mut settings = Settings::default();
    let mut origins = HashMap::new();
    for layer in overrides {
        layer.check_known(&defaults)?;
        layer.apply_to(&mut table);
        settings = table.clone().try_into().map_err(|error| layer.error(&error))?;
        origins.insert(layer.name(), layer.origin);
    }
    let Err(InvalidConfig { mut keys, reason }) = settings.validate() else { return Ok(settings) };
    // When two values contradict each other, the error names the one that was set.
    let set = keys.iter().position(|key| origins.contains_key(key));
    let key = keys.swap_remove(set.unwrap_or(0));
    let origin = origin_of(&key, &origins);
    Err(SettingsError::Value { origin, key, reason })
}

/// Where the value of `key` was set, or the table that it belongs to.
fn origin_of(key: &str, origins: &HashMap<String, Origin>) -> Origin {
    let ends = key.match_indices('.').map(|(at, _)| at).chain([key.len()]);
    let known = ends.rev().find_map(|end| origins.get(&key[..end]));
    known.cloned().unwrap_or(Origin::Default)
}

/// Reads the values of the TOML file at `path`.
///
/// # Errors
/// [`SettingsError::Unreadable`] and [`SettingsError::Syntax`].
pub(super) fn file(path: &Path) -> Result<Vec<Override>, SettingsError> {
    let unreadable = |error: io::Error| SettingsError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let text = read(path).map_err(unreadable)?;
    let origin = |offset: usize| Origin::File { path: path.to_owned(), line: line_of(&text, offset) };
    let syntax = |error: toml::de::Error| SettingsError::Syntax {
        origin: origin(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    };
    let table: Table = text.parse().map_err(syntax)?;
    // Parsed a second time for the positions of the keys, which plain values don't have.
    let positions = DeTable::parse(&text).map_err(syntax)?.into_inner();
    let mut overrides = Vec::new();
    for (section, content) in table {
        let (offset, inner) = position(Some(&positions), &section, 0);
        match content {
            Value::Table(keys) if !keys.is_empty() => {
                for (key, value) in keys {
                    let (offset, inner) = position(inner, &key, offset);
                    let key = Override::of_key(origin(offset), &section, &key, value);
                    overrides.extend(key.with_preset_keys(|key| origin(position(inner, key, offset).0)));
                }
            }
            value => overrides.push(Override { origin: origin(offset), section, key: None, preset_key: None, value }),
        }
    }
    Ok(overrides)
}

/// Where `key` of `table` stands, and the table under it. Its offset is that of the `outer` key where it is not known.
fn position<'a>(table: Option<&'a DeTable<'a>>, key: &str, outer: usize) -> (usize, Option<&'a DeTable<'a>>) {
    match table.and_then(|table| table.get_key_value(key)) {
        Some((name, content)) => (name.span().start, content.get_ref().as_table()),
        None => (outer, None),
    }
}

/// Reads the settings among the variables of `environment`.
///
/// # Errors
/// [`SettingsError::Value`] when `PORT` is not a port, when a variable of OpenTelemetry can't be used, when the file of
/// a `_FILE` variable can't be read, and when a variable is set both with and without `_FILE`.
pub(super) fn environment(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Override>, SettingsError> {
    let mut variables: Vec<_> = environment.into_iter().collect();
    // The order of environment variables is not defined.
    variables.sort();
    let mut overrides = Vec::new();
    if let Some((_, port)) = variables.iter().find(|(name, value)| name == "PORT" && !value.is_empty()) {
        overrides.push(platform_port(port)?);
    }
    overrides.extend(open_telemetry::overrides(&variables)?);
    let mut set = HashMap::new();
    for (name, value) in variables {
        if let Some((section, key)) = name.strip_prefix("BYTEFIT_").and_then(|name| name.split_once("__")) {
            let value = variable(&name, section, key, value)?;
            check_set_once(&mut set, &value, &name)?;
            overrides.push(value);
        }
    }
    Ok(overrides)
}

/// Refuses `NAME` and `NAME_FILE` together: one of them is a mistake.
fn check_set_once(set: &mut HashMap<String, String>, value: &Override, name: &str) -> Result<(), SettingsError> {
    let key = value.name();
    match set.insert(key.clone(), name.to_owned()) {
        None => Ok(()),
        Some(other) => Err(SettingsError::Value {
            origin: value.origin.clone(),
            key,
            reason: format!("{} sets it too: set one of the two", excerpt(&other)),
        }),
    }
}

/// The setting for `PORT`. Platforms that set it expect a listener on all addresses.
fn platform_port(port: &str) -> Result<Override, SettingsError> {
    let origin = Origin::Variable("PORT".to_owned());
    let key = "server.listen".to_owned();
    let Ok(port) = port.parse::<u16>() else {
        return Err(SettingsError::Value { origin, key, reason: format!("{} is not a port", quoted(port)) });
    };
    let value = Value::String(format!("0.0.0.0:{port}"));
    Ok(Override::of_key(origin, "server", "listen", value))
}

fn variable(name: &str, section: &str, key: &str, value: String) -> Result<Override, SettingsError> {
    let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let origin = Origin::Variable(name.to_owned());
    let Some(key) = key.strip_suffix("_file") else {
        return Ok(Override::of_key(origin, &section, &key, typed(value)));
    };
    match read(Path::new(&value)) {
        Ok(text) => Ok(Override::of_key(origin, &section, key, typed(text.trim_end().to_owned()))),
        // The path is shortened: it may be the value itself, set here by mistake.
        Err(error) => {
            let reason = format!("{}: {error}", excerpt(&value));
            Err(SettingsError::Value { origin, key: format!("{section}.{key}"), reason })
        }
    }
}

/// The settings among the command line flags.
pub(super) fn flags(flags: &Flags) -> Option<Override> {
    let listen = flags.listen.as_ref()?;
    Some(Override::of_key(Origin::Flag("--listen"), "server", "listen", Value::String(listen.clone())))
}

/// The TOML value of a variable, which has no type: an integer or a boolean if it reads as one, otherwise a text.
/// Digits after a leading zero stay a text: they may be a key in hexadecimal.
fn typed(text: String) -> Value {
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') || text == "0" => Value::Integer(number),
        _ => text.parse().map(Value::Boolean).unwrap_or(Value::String(text)),
    }
}

/// Reads the text at `path`. Reading stops at the limit, because the path may name an endless device.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TEXT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(io::Error::other(format!("more than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(text)
}

/// The line, counted from 1, of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
