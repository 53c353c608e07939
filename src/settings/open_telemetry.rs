//! The variables of OpenTelemetry that mean a setting of `[trace]` ("OpenTelemetry Environment Variable
//! Specification"). Its library reads others itself: headers, compression, and the name and attributes of the service.

use toml::Value;

use super::layers::{Origin, Override, SettingsError};
use crate::excerpt::quoted;

/// The section that they mean.
const SECTION: &str = "trace";

/// Where traces go below the address of a collector for all signals.
const TRACES_PATH: &str = "/v1/traces";

/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// The settings among `variables`.
///
/// # Errors
/// [`SettingsError::Value`] for a protocol or a sampler that there is not.
pub(super) fn overrides(variables: &[(String, String)]) -> Result<Vec<Override>, SettingsError> {
    let variables = Variables(variables);
    let settings = [endpoint(&variables)?, sample(&variables)?, timeout(&variables)];
    Ok(settings.into_iter().flatten().collect())
}

/// The variables of the process.
struct Variables<'a>(&'a [(String, String)]);

impl<'a> Variables<'a> {
    /// The first of `names` that has a value, and the value.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
        let value = |name: &str| self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        names.iter().find_map(|name| Some((*name, value(name)?.1.trim())))
    }

    /// The variable that says that there are no traces, or none for a collector.
    fn off(&self) -> Option<&'static str> {
        let disabled = self.first(&["OTEL_SDK_DISABLED"]).filter(|(_, value)| value.eq_ignore_ascii_case("true"));
        let elsewhere = self.first(&["OTEL_TRACES_EXPORTER"]);
        let elsewhere = elsewhere.filter(|(_, value)| value.split(',').all(|exporter| exporter.trim() != "otlp"));
        disabled.or(elsewhere).map(|(name, _)| name)
    }
}

fn endpoint(variables: &Variables<'_>) -> Result<Option<Override>, SettingsError> {
    if let Some(name) = variables.off() {
        return Ok(Some(set(name, "endpoint", String::new())));
    }
    let of_traces = variables.first(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]);
    let of_all = variables.first(&["OTEL_EXPORTER_OTLP_ENDPOINT"]);
    let (name, url) = match (of_traces, of_all) {
        (Some((name, url)), _) => (name, url.to_owned()),
        (None, Some((name, url))) => (name, format!("{}{TRACES_PATH}", url.trim_end_matches('/'))),
        (None, None) => return Ok(None),
    };
    // bytefit's own variable goes over these, whatever protocol they are meant for.
    let has_own = variables.first(&["BYTEFIT_TRACE__ENDPOINT", "BYTEFIT_TRACE__ENDPOINT_FILE"]).is_some();
    let protocol = variables.first(&["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
    match protocol.filter(|(_, protocol)| !has_own && *protocol != PROTOCOL) {
        Some((name, protocol)) => {
            Err(refuse(name, "endpoint", format!("{} is not spoken: only {PROTOCOL} is", quoted(protocol))))
        }
        None => Ok(Some(set(name, "endpoint", url))),
    }
}

/// A parent's decision always goes first, so that the samplers with and without it are the same here.
fn sample(variables: &Variables<'_>) -> Result<Option<Override>, SettingsError> {
    let Some((name, sampler)) = variables.first(&["OTEL_TRACES_SAMPLER"]) else { return Ok(None) };
    match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
        "always_on" => Ok(Some(set(name, "sample", "1".to_owned()))),
        "always_off" => Ok(Some(set(name, "sample", "0".to_owned()))),
        "traceidratio" => Ok(Some(match variables.first(&["OTEL_TRACES_SAMPLER_ARG"]) {
            Some((name, share)) => set(name, "sample", share.to_owned()),
            None => set(name, "sample", "1".to_owned()),
        })),
        _ => {
            let known = "always_on, always_off and traceidratio are, each also after parentbased_";
            Err(refuse(name, "sample", format!("{} is no sampler here: {known}", quoted(sampler))))
        }
    }
}

/// OpenTelemetry counts in milliseconds.
fn timeout(variables: &Variables<'_>) -> Option<Override> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    variables.first(&names).map(|(name, milliseconds)| set(name, "timeout", format!("{milliseconds}ms")))
}

fn set(variable: &str, key: &str, value: String) -> Override {
    Override::of_key(Origin::Variable(variable.to_owned()), SECTION, key, Value::String(value))
}

fn refuse(variable: &str, key: &str, reason: String) -> SettingsError {
    SettingsError::Value { origin: Origin::Variable(variable.to_owned()), key: format!("{SECTION}.{key}"), reason }
}
