//! Where settings come from, and how one layer goes over another: every value is laid on alone, so that the
//! one which is wrong can be named with its place.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use toml::de::DeTable;
use toml::{Table, Value};

use super::{DEFAULT_TOML, Flags, Settings};
use crate::params::excerpt::{cut_in, excerpt, quoted};

/// Bytes of a file of settings, or of one value: a hundred times what all of them take.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded defaults.
    Default,
    /// A line of a file, from 1 on.
    File { path: PathBuf, line: usize },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
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

/// Why there are no settings: always the fault of whoever wrote them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A file, named by a flag, that can't be read.
    #[error("{}: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// A file that is not TOML.
    #[error("{origin}: {reason}")]
    Syntax { origin: Origin, reason: String },
    /// An unknown key, or a value that can't be used.
    #[error("{origin}: {}: {reason}", excerpt(.key))]
    Value { origin: Origin, key: String, reason: String },
}

/// One value that goes over the layers below.
#[derive(Debug)]
pub struct Override {
    origin: Origin,
    section: String,
    /// None where the file has a bare value, or an empty table, in the place of a section.
    key: Option<String>,
    value: Value,
}

impl Override {
    fn name(&self) -> String {
        match &self.key {
            Some(key) => format!("{}.{key}", self.section),
            None => self.section.clone(),
        }
    }

    /// What the reader of settings said against this value: it repeats names and texts whole.
    fn refusal(&self, error: &toml::de::Error) -> SettingsError {
        let given = [Some(self.section.as_str()), self.key.as_deref(), self.value.as_str()];
        let given: Vec<&str> = given.into_iter().flatten().collect();
        let reason = cut_in(error.message(), &given);
        SettingsError::Value { origin: self.origin.clone(), key: self.name(), reason }
    }

    fn lay_on(&self, table: &mut Table) {
        let Some(key) = &self.key else {
            // An empty section changes nothing, if it is one.
            if !(self.value.is_table() && table.contains_key(&self.section)) {
                table.insert(self.section.clone(), self.value.clone());
            }
            return;
        };
        let section = table.entry(self.section.clone()).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(key.clone(), self.value.clone());
        }
    }
}

/// Lays `overrides` on the defaults, one after the other.
///
/// # Errors
/// [`SettingsError::Value`].
pub fn apply(overrides: Vec<Override>) -> Result<Settings, SettingsError> {
    let mut table: Table = DEFAULT_TOML.parse().expect("the embedded defaults are TOML");
    let mut settings = Settings::default();
    let mut origins = HashMap::new();
    for layer in overrides {
        layer.lay_on(&mut table);
        settings = table.clone().try_into().map_err(|error| layer.refusal(&error))?;
        origins.insert(layer.name(), layer.origin);
    }
    match settings.conflict() {
        None => Ok(settings),
        Some((keys, reason)) => {
            // Of two that don't go together the one is to blame that was set.
            let set = keys.iter().find_map(|key| Some((*key, origins.remove(*key)?)));
            let (key, origin) = set.unwrap_or((keys[0], Origin::Default));
            Err(SettingsError::Value { origin, key: key.to_owned(), reason })
        }
    }
}

/// The values of the TOML file at `path`.
///
/// # Errors
/// [`SettingsError::Unreadable`] and [`SettingsError::Syntax`].
pub fn file(path: &Path) -> Result<Vec<Override>, SettingsError> {
    let unreadable = |error: io::Error| SettingsError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let text = read(path).map_err(unreadable)?;
    let origin = |at: usize| Origin::File { path: path.to_owned(), line: line_of(&text, at) };
    let syntax = |error: toml::de::Error| SettingsError::Syntax {
        origin: origin(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    };
    let table: Table = text.parse().map_err(syntax)?;
    // Read once more for the places of the keys, which the plain values have lost.
    let places = DeTable::parse(&text).map_err(syntax)?.into_inner();
    let mut overrides = Vec::new();
    for (section, content) in table {
        let place = places.get_key_value(section.as_str());
        let at = place.map_or(0, |(name, _)| name.span().start);
        match content {
            Value::Table(keys) if !keys.is_empty() => {
                let places = place.and_then(|(_, content)| content.get_ref().as_table());
                overrides.extend(keys.into_iter().map(|(key, value)| {
                    let place = places.and_then(|places| places.get_key_value(key.as_str()));
                    let at = place.map_or(at, |(name, _)| name.span().start);
                    Override { origin: origin(at), section: section.clone(), key: Some(key), value }
                }));
            }
            value => overrides.push(Override { origin: origin(at), section, key: None, value }),
        }
    }
    Ok(overrides)
}

/// The variables of `environment` that are settings.
///
/// # Errors
/// [`SettingsError::Value`] for a `PORT` that is none, for a `_FILE` variable whose file can't be read, and for one that
/// is set together with the variable that it stands for.
pub fn environment(environment: impl IntoIterator<Item = (String, String)>) -> Result<Vec<Override>, SettingsError> {
    let mut variables: Vec<_> = environment.into_iter().collect();
    // The order of an environment is anyone's guess.
    variables.sort();
    let mut overrides = Vec::new();
    if let Some((_, port)) = variables.iter().find(|(name, value)| name == "PORT" && !value.is_empty()) {
        overrides.push(platform_port(port)?);
    }
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

/// Of `NAME` and `NAME_FILE` neither goes over the other: one of them is there by mistake.
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

/// `PORT`, as platforms set it: they expect a listener on every address.
fn platform_port(port: &str) -> Result<Override, SettingsError> {
    let origin = Origin::Variable("PORT".to_owned());
    let key = "server.listen".to_owned();
    let Ok(port) = port.parse::<u16>() else {
        return Err(SettingsError::Value { origin, key, reason: format!("{} is not a port", quoted(port)) });
    };
    let value = Value::String(format!("0.0.0.0:{port}"));
    Ok(Override { origin, section: "server".to_owned(), key: Some("listen".to_owned()), value })
}

fn variable(name: &str, section: &str, key: &str, value: String) -> Result<Override, SettingsError> {
    let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let origin = Origin::Variable(name.to_owned());
    let Some(key) = key.strip_suffix("_file") else {
        return Ok(Override { origin, section, key: Some(key), value: typed(value) });
    };
    match read(Path::new(&value)) {
        Ok(text) => {
            Ok(Override { origin, section, key: Some(key.to_owned()), value: typed(text.trim_end().to_owned()) })
        }
        // Whoever puts the value itself there shall not find it in a log.
        Err(error) => {
            let reason = format!("{}: {error}", excerpt(&value));
            Err(SettingsError::Value { origin, key: format!("{section}.{key}"), reason })
        }
    }
}

/// The values of the command line's flags.
pub fn flags(flags: &Flags) -> Option<Override> {
    flags.listen.as_ref().map(|listen| Override {
        origin: Origin::Flag("--listen"),
        section: "server".to_owned(),
        key: Some("listen".to_owned()),
        value: Value::String(listen.clone()),
    })
}

/// A variable has no type; every setting that is not a text takes a whole number, or true or false.
fn typed(text: String) -> Value {
    let number = text.parse().map(Value::Integer);
    number.or_else(|_| text.parse().map(Value::Boolean)).unwrap_or(Value::String(text))
}

/// The text at `path`, which may lead to something without an end.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TEXT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(io::Error::other(format!("more than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(text)
}

/// The line, from 1 on, that holds the byte at `at`.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
