//! The settings of the service. Each section is the configuration of a module. Flags override the environment, which
//! overrides the file, which overrides the defaults.

mod address;
mod layers;
mod open_telemetry;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config_value::{InvalidConfig, at_least_one, size};
use crate::params::{Preset, Presets, Table};
use crate::sandbox::Rights;
use crate::{batch, codec, engine, http, params, source, telemetry, trace};
pub(crate) use layers::SettingsError;

/// Every setting with its default, commented.
pub const DEFAULT_TOML: &str = include_str!("../config/default.toml");

/// Memory for jobs, in bytes, below which hardly any picture could be fitted: what one of 320x240 takes in the default
/// formats (the test `the_least_memory_is_what_a_small_picture_takes`).
const MIN_JOB_MEMORY: u64 = 16 << 20;

/// Every setting of the service. `config/default.toml` describes them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The section `[server]`: the listener, and limits on clients.
    pub server: Server,
    /// The section `[engine]`: threads, queue and memory.
    pub engine: engine::Config,
    /// The section `[limits]`: what inputs and targets may have.
    pub limits: Limits,
    /// The section `[fit]`: values of parameters that a request leaves out.
    pub fit: params::Defaults,
    /// The tables `[presets.NAME]`: parameters under a name.
    pub presets: BTreeMap<String, Table>,
    /// The section `[cache]`: the results that are kept.
    pub cache: engine::CacheConfig,
    /// The section `[auth]`: the keys that requests have to bring.
    pub auth: http::AuthConfig,
    /// The section `[cors]`: the sites whose pages may ask.
    pub cors: http::CorsConfig,
    /// The section `[source]`: pictures by URL.
    pub source: source::Config,
    /// The section `[batch]`: many pictures in one request.
    pub batch: batch::Config,
    /// The section `[trace]`: traces of requests.
    pub trace: trace::Config,
    /// The section `[log]`: level and form of log lines.
    pub log: telemetry::Config,
}

/// The section `[server]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Server {
    /// Where to listen.
    #[serde(with = "address")]
    pub listen: SocketAddr,
    /// Limits on clients.
    #[serde(flatten)]
    pub http: http::Config,
    /// Whether the process enters the sandbox before it serves.
    pub sandbox: bool,
}

/// The section `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Limits on pictures.
    #[serde(flatten)]
    pub pictures: codec::Limits,
    /// The largest target accepted, in bytes. At least 1.
    #[serde(with = "size")]
    pub max_target: u64,
    /// Whether a request to the service may ask for presets only.
    pub presets_only: bool,
    /// How many outputs a client may have computed.
    pub rate: http::RateConfig,
}

/// Settings from the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `--listen`.
    pub listen: Option<String>,
}

impl Default for Server {
    fn default() -> Server {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080));
        Server { listen, http: http::Config::default(), sandbox: true }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        let max_target = params::Defaults::default().max_target;
        Limits {
            pictures: codec::Limits::default(),
            max_target,
            presets_only: false,
            rate: http::RateConfig::default(),
        }
    }
}

impl Settings {
    /// Loads the settings: the defaults, then `file`, then the variables of `environment`, then `flags`.
    ///
    /// These variables are settings: `BYTEFIT_SECTION__KEY`, `BYTEFIT_SECTION__KEY_FILE` (the path of a file with the
    /// value), `PORT`, and those of OpenTelemetry that say where traces go. Others, such as `BYTEFIT_PORT`, which
    /// Kubernetes sets, are ignored.
    ///
    /// # Errors
    /// [`SettingsError`] for an unknown key, for a value that can't be used, and for values that contradict each other. It
    /// names the file and line, the variable, or the flag.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Settings, SettingsError> {
        let mut overrides = match file {
            Some(path) => layers::file(path)?,
            None => Vec::new(),
        };
        overrides.extend(layers::environment(environment)?);
        overrides.extend(layers::flags(flags));
        layers::apply(overrides)
    }

    /// The settings as TOML.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are tables of plain values")
    }

    /// The engine's configuration, with the values that stand in other sections.
    pub(crate) fn engine_config(&self) -> engine::Config {
        engine::Config {
            max_body_bytes: self.server.http.max_body_bytes,
            cache: self.cache.clone(),
            limits: self.limits.pictures,
            ..self.engine.clone()
        }
    }

    /// What the serving process needs of the world outside.
    pub(crate) fn rights(&self) -> Rights {
        let redis = [&self.cache.redis_url, &self.batch.redis_url].into_iter().flatten().map(|url| url.port);
        let collector = self.trace.endpoint.as_ref().map(trace::Endpoint::port);
        let store = self.batch.store_url.iter().flat_map(batch::StoreUrl::ports);
        let ports = self.source.outgoing_ports().iter().copied().chain(redis).chain(collector).chain(store).collect();
        let batches = self.batch.has_directory().then_some(self.batch.dir.as_path());
        let folders = self.cache.folder().into_iter().chain(batches).map(Path::to_owned).collect();
        Rights { ports, folders }
    }

    /// The defaults and bounds of requests, with the values that stand in other sections.
    pub(crate) fn defaults(&self) -> params::Defaults {
        params::Defaults { presets: self.presets(), presets_only: self.limits.presets_only, ..self.bounds() }
    }

    /// The defaults and bounds of requests without presets.
    fn bounds(&self) -> params::Defaults {
        params::Defaults { max_target: self.limits.max_target, ..self.fit.clone() }
    }

    /// The presets; `validate` has refused those that can't be read.
    fn presets(&self) -> Presets {
        let preset = |(name, table): (&String, &Table)| Some((name.clone(), Preset::new(table).ok()?));
        self.presets.iter().filter_map(preset).collect()
    }

    /// Checks what the types don't.
    fn validate(&self) -> Result<(), InvalidConfig> {
        self.server.http.validate().map_err(|invalid| invalid.in_section("server"))?;
        self.engine.validate().map_err(|invalid| invalid.in_section("engine"))?;
        self.limits.validate().map_err(|invalid| invalid.in_section("limits"))?;
        self.fit.validate().map_err(|invalid| invalid.in_section("fit"))?;
        self.cache.validate().map_err(|invalid| invalid.in_section("cache"))?;
        self.auth.validate().map_err(|invalid| invalid.in_section("auth"))?;
        self.source.validate().map_err(|invalid| invalid.in_section("source"))?;
        self.batch.validate().map_err(|invalid| invalid.in_section("batch"))?;
        self.check_presets()?;
        self.check_memory()
    }

    /// Checks each preset as a request for it would be.
    fn check_presets(&self) -> Result<(), InvalidConfig> {
        let bounds = params::Defaults { presets: self.presets(), ..self.bounds() };
        for (name, table) in &self.presets {
            Preset::check(name, table, &bounds).map_err(|error| InvalidConfig {
                keys: vec![format!("presets.{name}.{}", error.path())],
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }

    /// Checks that memory is enough for one body and one small picture.
    fn check_memory(&self) -> Result<(), InvalidConfig> {
        let memory = self.engine.memory_bytes;
        let body = self.server.http.max_body_bytes;
        // Bodies get a quarter, or as much as the largest one takes.
        let least = (MIN_JOB_MEMORY / 3 * 4).max(MIN_JOB_MEMORY.saturating_add(body));
        if memory == 0 || memory >= least {
            return Ok(());
        }
        let [memory, least, body] = [memory, least.next_multiple_of(1 << 20), body].map(size::show);
        Err(InvalidConfig {
            keys: vec!["engine.memory".to_owned(), "server.max_body".to_owned()],
            reason: format!(
                "{memory} is less than one body and one small picture take: at least {least} with server.max_body {body}"
            ),
        })
    }
}

impl Limits {
    fn validate(&self) -> Result<(), InvalidConfig> {
        self.pictures.validate()?;
        at_least_one("max_target", self.max_target)
    }
}

#[cfg(test)]
mod tests;
