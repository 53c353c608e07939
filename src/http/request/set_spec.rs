//! The set of outputs that a request describes: the JSON of `spec`, or a preset.

use super::form::SPEC;
use crate::http::response::problem::Problem;
use crate::params::{Defaults, ParamError, Preset, Set, SetError, SetSpec, names_with_sets};

/// What there is to say, for errors.
const ALLOWED: &str = "the text part spec of a form, or preset";

impl From<SetError> for Problem {
    fn from(error: SetError) -> Problem {
        let detail = error.to_string();
        match error {
            SetError::Spec(error) => Problem::from(error),
            SetError::Output { output, error } => Problem::from(error).with("output", output).in_words(detail),
        }
    }
}

/// The set that `pairs` describe, from the query and the form.
///
/// # Errors
/// 400 for a set that can't be used, naming the key or the output and its parameter.
pub(crate) fn read(pairs: &[(String, String)], defaults: &Defaults) -> Result<Set, Problem> {
    match pairs {
        [] => Err(refuse(SPEC, None, "missing").into()),
        [(name, text)] if name == SPEC => of_json(text, defaults),
        [(name, preset)] if name == "preset" => of_preset(preset, defaults),
        [.., last] => {
            let is_known = |(name, _): &&(String, String)| [SPEC, "preset"].contains(&name.as_str());
            match pairs.iter().find(|pair| !is_known(pair)) {
                Some((name, value)) => Err(refuse(name, Some(value), "unknown parameter").into()),
                None => Err(refuse(&last.0, Some(&last.1), "given beside another parameter").into()),
            }
        }
    }
}

fn of_json(text: &str, defaults: &Defaults) -> Result<Set, Problem> {
    if defaults.presets_only {
        return Err(ParamError::new(SPEC, None, "only presets may be asked for", "preset instead of spec").into());
    }
    let table = serde_json::from_str(text);
    let table =
        table.map_err(|error| Problem::from(refuse(SPEC, Some(text), &format!("is not a JSON object: {error}"))))?;
    let spec = SetSpec::read(&table).map_err(SetError::Spec)?;
    Ok(spec.expand(defaults)?)
}

/// A preset of parameters is a set of one output.
fn of_preset(name: &str, defaults: &Defaults) -> Result<Set, Problem> {
    let spec = match defaults.presets.get(name) {
        Some(Preset::Set(spec)) => spec.clone(),
        Some(Preset::Parameters(_)) | None => SetSpec::of_preset(name),
    };
    match spec.expand(defaults) {
        Ok(set) => Ok(set),
        Err(SetError::Output { error, .. }) if error.name == "preset" => {
            Err(ParamError { allowed: names_with_sets(&defaults.presets), ..error }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn refuse(name: &str, given: Option<&str>, reason: &str) -> ParamError {
    ParamError::new(name, given, reason, ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::problem::Kind;

    fn read(pairs: &[(&str, &str)]) -> Result<Set, Problem> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        super::read(&pairs, &Defaults::default())
    }

    #[test]
    fn what_can_not_be_used_is_a_problem_that_names_it() {
        for (pairs, parameter) in [
            (&[][..], "spec"),
            (&[("spec", "{")], "spec"),
            (&[("spec", "[]")], "spec"),
            (&[("width", "9")], "width"),
            (&[("preset", "a"), ("spec", "{}")], "spec"),
            (&[("target", "1"), ("spec", "{}")], "target"),
            (&[("preset", "avatar")], "preset"),
            (&[("preset", "no name")], "name"),
            (&[("spec", "{}")], "outputs"),
        ] {
            let problem = read(pairs).unwrap_err();
            assert_eq!(problem.kind(), Kind::InvalidParameter, "{pairs:?}");
            assert_eq!(problem.members()["parameter"], parameter, "{pairs:?}");
        }
    }

    #[test]
    fn the_problem_of_an_output_names_the_output() {
        let members = read(&[("spec", r#"{"outputs":[{"name":"a","target":0}]}"#)]).unwrap_err().members();
        assert_eq!((&members["output"], &members["parameter"]), (&"a".into(), &"target".into()));
        assert!(members["detail"].as_str().unwrap().starts_with("output a: target: "), "{members:?}");
    }
}
