//! Presets: parameters under a name, from the configuration.

use std::collections::BTreeMap;

use super::{Defaults, Pairs, ParamError, SetError, SetSpec, Table, Written, parse};
use crate::excerpt::{excerpt, quoted};

/// Characters of the name of a preset or of an output.
const MAX_NAME_CHARS: usize = 40;

/// The presets of the configuration, by name.
pub type Presets = BTreeMap<String, Preset>;

/// What a preset stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Preset {
    /// Parameters of one answer.
    Parameters(Pairs),
    /// A set of outputs.
    Set(SetSpec),
}

impl Preset {
    /// The preset that `table` describes: a set if it has a key of a set.
    ///
    /// # Errors
    /// [`ParamError`] when a value is none of a parameter's or of a set's.
    pub fn new(table: &Table) -> Result<Preset, ParamError> {
        if SetSpec::is_described_by(table) {
            return Ok(Preset::Set(SetSpec::read(table)?));
        }
        Ok(Preset::Parameters(pairs(table)?))
    }

    /// Checks the preset called `name` as a request for it would be.
    ///
    /// # Errors
    /// [`SetError`] for a name or value that can't be used. Parameters of one answer may lack the target, which the request
    /// then has to give.
    pub fn check(name: &str, table: &Table, defaults: &Defaults) -> Result<(), SetError> {
        check_name(name)?;
        match Preset::new(table)? {
            Preset::Parameters(pairs) => Ok(check_parameters(pairs, defaults)?),
            Preset::Set(spec) => spec.expand(defaults).map(|_| ()),
        }
    }
}

fn check_parameters(mut pairs: Pairs, defaults: &Defaults) -> Result<(), ParamError> {
    if pairs.iter().any(|(name, _)| name == "preset") {
        return Err(ParamError {
            name: "preset".to_owned(),
            given: None,
            reason: "a preset can't refer to another".to_owned(),
            allowed: "the other parameters".to_owned(),
        });
    }
    if !pairs.iter().any(|(name, _)| ["target", "max_bytes"].contains(&name.as_str())) {
        pairs.push(("target".to_owned(), defaults.max_target.to_string()));
    }
    parse(&pairs, &Defaults { presets_only: false, ..defaults.clone() }).map(|_| ())
}

/// The names of the `presets` of one answer, in words of an error message.
pub(super) fn names(presets: &Presets) -> String {
    let of_one_answer = presets.iter().filter(|(_, preset)| matches!(preset, Preset::Parameters(_)));
    listed(of_one_answer.map(|(name, _)| name.as_str()))
}

/// The names of all `presets`, those of sets too, in words of an error message.
pub fn names_with_sets(presets: &Presets) -> String {
    listed(presets.keys().map(String::as_str))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none: the configuration has no presets for this".to_owned() } else { names.join(", ") }
}

/// The values of `table` as pairs of text.
///
/// # Errors
/// [`ParamError`] when a value is a table.
pub(super) fn pairs(table: &Table) -> Result<Pairs, ParamError> {
    let pair = |(name, value): (&str, &Written)| match value.text() {
        Some(text) => Ok((name.to_owned(), text)),
        None => Err(ParamError {
            name: excerpt(name).into_owned(),
            given: None,
            reason: "is a table".to_owned(),
            allowed: "a text, a number, true or false".to_owned(),
        }),
    };
    table.entries().map(pair).collect()
}

/// Checks the name of a preset or of an output.
///
/// # Errors
/// [`ParamError`] under the key `name`.
pub(super) fn check_name(name: &str) -> Result<(), ParamError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(ParamError {
        name: "name".to_owned(),
        given: Some(excerpt(name).into_owned()),
        reason: format!("{} is not a name", quoted(name)),
        allowed: "1 to 40 of a-z, 0-9, dot, underscore and hyphen".to_owned(),
    })
}
