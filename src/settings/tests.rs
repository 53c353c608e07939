//! What settings promise to whoever writes them.

use std::io::Write;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::*;
use crate::codec::Format;
use crate::job::{self, Formats, Job};
use crate::telemetry::LogFormat;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn from_file(text: &str) -> Result<Settings, SettingsError> {
    Settings::load(Some(file(text).path()), [], &Flags::default())
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(None, variables, &Flags::default())
}

#[track_caller]
fn assert_refused(result: Result<Settings, SettingsError>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn without_any_source_the_defaults_stand() {
    let settings = from_environment(&[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.server.listen, "0.0.0.0:8080".parse().unwrap());
    assert_eq!((settings.server.http.max_body_bytes, settings.cache.capacity_bytes), (64_000_000, 256 << 20));
    assert_eq!(settings.fit.formats, [Format::Webp, Format::Jpeg, Format::Png]);
}

#[test]
fn the_default_file_has_the_default_of_every_setting_and_no_others() {
    assert_eq!(toml::from_str(DEFAULT_TOML), Ok(Settings::default()));
    let keys = |text: &str| -> Vec<(String, Vec<String>)> {
        let sections: toml::Table = text.parse().unwrap();
        sections.into_iter().map(|(name, keys)| (name, keys.as_table().unwrap().keys().cloned().collect())).collect()
    };
    assert_eq!(keys(DEFAULT_TOML), keys(&Settings::default().to_toml()));
    assert_eq!(Settings::default().engine_config(), engine::Config::default());
    assert_eq!(Settings::default().defaults(), params::Defaults::default());
}

#[test]
fn a_switch_is_set_in_the_environment() {
    assert!(Settings::default().server.sandbox);
    assert!(!from_environment(&[("BYTEFIT_SERVER__SANDBOX", "false")]).unwrap().server.sandbox);
    assert_refused(from_environment(&[("BYTEFIT_SERVER__SANDBOX", "no")]), &["BYTEFIT_SERVER__SANDBOX", "boolean"]);
}

#[test]
fn every_key_of_the_defaults_has_a_comment_right_above() {
    let lines: Vec<_> = DEFAULT_TOML.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        assert!(pair[0].starts_with("# "), "{:?} has none", pair[1]);
    }
}

#[test]
fn profiles_load_and_change_something() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap() {
        let path = entry.unwrap().path();
        let settings = Settings::load(Some(&path), [], &Flags::default()).unwrap();
        let is_default = path.file_name().unwrap() == "default.toml";
        assert_eq!(settings == Settings::default(), is_default, "{}", path.display());
    }
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_the_defaults() {
    let file = file("[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 7\n[engine]\nthreads = 3\n");
    let environment = [("BYTEFIT_SERVER__LISTEN", "127.0.0.1:2"), ("BYTEFIT_SERVER__MAX_CONNECTIONS", "8")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let flags = Flags { listen: Some("127.0.0.1:3".to_owned()) };
    let settings = Settings::load(Some(file.path()), environment, &flags).unwrap();
    assert_eq!(settings.server.listen, "127.0.0.1:3".parse().unwrap());
    assert_eq!((settings.server.http.max_connections, settings.engine.threads), (8, 3));
    assert_eq!(settings.server.http.max_body_bytes, 64_000_000);
}

#[test]
fn sizes_durations_and_lists_are_read_from_any_source() {
    let written = from_file(
        "[server]\nmax_body = \"20MB\"\nheader_timeout = \"250ms\"\n[cache]\ncapacity = 1000\nttl = \"1h 30m\"\n\
         [fit]\nformats = [\"avif\", \"png\"]\n[log]\nformat = \"json\"\n",
    )
    .unwrap();
    let set = from_environment(&[
        ("BYTEFIT_SERVER__MAX_BODY", "20MB"),
        ("BYTEFIT_SERVER__HEADER_TIMEOUT", "250ms"),
        ("BYTEFIT_CACHE__CAPACITY", "1000"),
        ("BYTEFIT_CACHE__TTL", "1h 30m"),
        ("BYTEFIT_FIT__FORMATS", "avif, png"),
        ("BYTEFIT_LOG__FORMAT", "json"),
    ])
    .unwrap();
    assert_eq!(written, set);
    assert_eq!((set.server.http.max_body_bytes, set.cache.capacity_bytes), (20_000_000, 1000));
    assert_eq!(set.server.http.header_timeout, Duration::from_millis(250));
    assert_eq!(set.cache.ttl, Duration::from_secs(5400));
    assert_eq!(set.fit.formats, [Format::Avif, Format::Png]);
    assert_eq!(set.log.format, LogFormat::Json);
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_line() {
    let file = file("# comment\n[server]\nmax_connections = 5\n\nmax_bodyy = \"20MB\"\n");
    let result = Settings::load(Some(file.path()), [], &Flags::default());
    let origin = format!("{}:5: server.max_bodyy: ", file.path().display());
    assert_refused(result, &[&origin, "unknown field", "max_body"]);
}

#[test]
fn an_unknown_section_is_named_with_its_line() {
    assert_refused(from_file("\n[sever]\nlisten = \"127.0.0.1:1\"\n"), &[":3: sever.listen: ", "unknown field"]);
    assert_refused(from_file("\n[sever]\n"), &[":2: sever: ", "unknown field"]);
    assert_refused(from_file("listen = \"127.0.0.1:1\"\n"), &[":1: listen: ", "unknown field"]);
    assert_refused(from_file("[server.tls]\ncert = \"x\"\n"), &["server.tls", "unknown field"]);
    assert_refused(from_file("server = 5\n"), &[":1: server: "]);
}

#[test]
fn an_empty_section_changes_nothing() {
    assert_eq!(from_file("[server]\n\n[cache]\n"), Ok(Settings::default()));
}

#[test]
fn a_bad_value_is_named_with_its_file_and_line() {
    for (text, parts) in [
        ("[server]\nmax_body = \"20 bananas\"\n", [":2: server.max_body: ", "20 bananas"]),
        ("[server]\nmax_body = -1\n", [":2: server.max_body: ", "80KB"]),
        ("[server]\nlisten = \"nowhere\"\n", [":2: server.listen: ", "socket address"]),
        ("[server]\nheader_timeout = 10\n", [":2: server.header_timeout: ", "10s"]),
        ("[server]\nheader_timeout = \"0s\"\n", [":2: server.header_timeout: ", "no time"]),
        ("[server]\nheader_timeout = \"soon\"\n", [":2: server.header_timeout: ", "soon"]),
        ("[engine]\nthreads = \"many\"\n", [":2: engine.threads: ", "many"]),
        ("[engine]\nqueue_slots = -1\n", [":2: engine.queue_slots: ", "-1"]),
        ("[fit]\nformats = [\"gif\"]\n", [":2: fit.formats: ", "gif"]),
        ("[fit]\nformats = []\n", [":2: fit.formats: ", "at least one"]),
        ("[log]\nformat = \"xml\"\n", [":2: log.format: ", "xml"]),
        ("[log]\nlevel = \"loud\"\n", [":2: log.level: ", "loud"]),
        ("[log]\nlevel = \"info,bytefit=loud\"\n", [":2: log.level: ", "loud"]),
        ("[engine]\nthreads = 20000\n", [":2: engine.threads: ", "20000 is more than 1024"]),
        ("[engine]\nqueue_slots = 2000000\n", [":2: engine.queue_slots: ", "more than 1048576"]),
        ("[server]\nmax_connections = 9000000000000000000\n", [":2: server.max_connections: ", "more than 1048576"]),
        (
            "[engine]\nmemory = \"1KB\"\n",
            [":2: engine.memory: ", "1KB is less than one body and one small picture take: at least 78MiB"],
        ),
        ("[server]\nmax_body = \"1MB\"\n[engine]\nmemory = \"21MiB\"\n", [":4: engine.memory: ", "at least 22MiB"]),
        ("[cache]\nttl = \"2000y\"\n", [":2: cache.ttl: ", "\"2000y\" is more than a year"]),
        ("\n[limits]\nmax_pixels = 0\n", [":3: limits.max_pixels: ", "at least 1"]),
        ("[limits]\nmax_pixels = 300000000\n", [":2: limits.max_pixels: ", "300000000 is more than 268435456"]),
        ("[fit]\n\nmax_deadline = \"1s\"\n", [":3: fit.max_deadline: ", "longer than max_deadline 1s"]),
        ("[fit]\n\ndeadline = \"2m\"\n", [":3: fit.deadline: ", "2m is longer than max_deadline 1m"]),
    ] {
        assert_refused(from_file(text), &parts);
    }
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    assert_refused(from_file("[server]\nlisten = \n"), &[":2: "]);
    assert_refused(from_file("[server]\nmax_connections = 1\nmax_connections = 2\n"), &[":3: ", "duplicate"]);
}

#[test]
fn a_missing_file_is_named() {
    let result = Settings::load(Some(Path::new("/nowhere/bytefit.toml")), [], &Flags::default());
    assert_refused(result, &["/nowhere/bytefit.toml: "]);
}

#[test]
fn a_file_without_an_end_is_not_read_to_it() {
    assert_refused(
        Settings::load(Some(Path::new("/dev/zero")), [], &Flags::default()),
        &["/dev/zero: more than 1048576"],
    );
    let secret = from_environment(&[("BYTEFIT_CACHE__CAPACITY_FILE", "/dev/zero")]);
    assert_refused(secret, &["BYTEFIT_CACHE__CAPACITY_FILE: cache.capacity: /dev/zero: more than 1048576"]);
}

#[test]
fn a_bad_variable_is_named() {
    assert_refused(
        from_environment(&[("BYTEFIT_SERVER__MAX_BODYY", "1")]),
        &["BYTEFIT_SERVER__MAX_BODYY: server.max_bodyy: ", "unknown field"],
    );
    assert_refused(from_environment(&[("BYTEFIT_CACHE__CAPACITY", "lots")]), &["BYTEFIT_CACHE__CAPACITY: ", "lots"]);
    assert_refused(from_environment(&[("BYTEFIT_A__B__C", "1")]), &["BYTEFIT_A__B__C: a.b__c: "]);
    assert_refused(from_environment(&[("BYTEFIT_FIT__DEADLINE", "5m")]), &["BYTEFIT_FIT__DEADLINE: fit.deadline: "]);
}

#[test]
fn a_bad_flag_is_named() {
    let flags = Flags { listen: Some("8080".to_owned()) };
    assert_refused(Settings::load(None, [], &flags), &["--listen: server.listen: "]);
}

#[test]
fn what_kubernetes_injects_is_ignored() {
    let settings = from_environment(&[
        ("BYTEFIT_PORT", "tcp://10.0.0.1:8080"),
        ("BYTEFIT_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("BYTEFIT_SERVICE_HOST", "10.0.0.1"),
        ("OTHER_SERVER__LISTEN", "nowhere"),
    ]);
    assert_eq!(settings, Ok(Settings::default()));
}

#[test]
fn port_sets_the_address_unless_it_is_set_by_name() {
    let listen = |variables: &[(&str, &str)]| from_environment(variables).unwrap().server.listen.to_string();
    assert_eq!(listen(&[("PORT", "9000")]), "0.0.0.0:9000");
    assert_eq!(listen(&[("PORT", "9000"), ("BYTEFIT_SERVER__LISTEN", "127.0.0.1:1")]), "127.0.0.1:1");
    assert_eq!(listen(&[("PORT", "")]), "0.0.0.0:8080");
    assert_refused(from_environment(&[("PORT", "http")]), &["PORT: server.listen: ", "http"]);
}

#[test]
fn port_goes_over_the_file() {
    let file = file("[server]\nlisten = \"127.0.0.1:1\"\n");
    let port = [("PORT".to_owned(), "9000".to_owned())];
    let settings = Settings::load(Some(file.path()), port, &Flags::default()).unwrap();
    assert_eq!(settings.server.listen, "0.0.0.0:9000".parse().unwrap());
}

#[test]
fn a_value_may_stand_in_a_file() {
    let secret = file("32MiB\n");
    let path = secret.path().to_str().unwrap();
    let settings = from_environment(&[("BYTEFIT_CACHE__CAPACITY_FILE", path)]).unwrap();
    assert_eq!(settings.cache.capacity_bytes, 32 << 20);
    assert_refused(from_environment(&[("BYTEFIT_CACHE__CAPACITY_FILE", "/nowhere/secret")]), &["/nowhere/secret: "]);
}

#[test]
fn a_value_and_its_file_are_not_both_set() {
    let secret = file("32MiB\n");
    let path = secret.path().to_str().unwrap();
    for name in ["BYTEFIT_CACHE__CAPACITY", "BYTEFIT_CACHE__capacity"] {
        let both = from_environment(&[(name, "1GiB"), ("BYTEFIT_CACHE__CAPACITY_FILE", path)]);
        assert_refused(both, &["cache.capacity", "BYTEFIT_CACHE__CAPACITY_FILE", name, "set one of the two"]);
    }
}

#[test]
fn addresses_are_written_as_people_write_them() {
    for (text, address) in [
        (":8081", "0.0.0.0:8081"),
        ("localhost:8081", "127.0.0.1:8081"),
        ("LOCALHOST:0", "127.0.0.1:0"),
        ("[::1]:8081", "[::1]:8081"),
    ] {
        let flags = Flags { listen: Some(text.to_owned()) };
        let settings = Settings::load(None, [], &flags).unwrap();
        assert_eq!(settings.server.listen.to_string(), address, "{text}");
        assert_eq!(from_file(&settings.to_toml()), Ok(settings));
    }
    for text in ["", ":", "localhost", ":http", "localhost:65536", "::1:80", "example.org:80", "127.0.0.1"] {
        let flags = Flags { listen: Some(text.to_owned()) };
        assert_refused(Settings::load(None, [], &flags), &["--listen: server.listen: ", "is no socket address"]);
    }
}

#[test]
fn formats_go_by_their_usual_names() {
    let settings = from_environment(&[("BYTEFIT_FIT__FORMATS", "WEBP,jpg")]).unwrap();
    assert_eq!(settings.fit.formats, [Format::Webp, Format::Jpeg]);
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let long = "x".repeat(7000);
    for key in
        Settings::default().to_toml().parse::<toml::Table>().unwrap().iter().flat_map(|(section, keys)| {
            keys.as_table().unwrap().keys().map(move |key| format!("BYTEFIT_{section}__{key}"))
        })
    {
        let message = from_environment(&[(&key, &long)]).unwrap_err().to_string();
        assert!(message.len() < 500, "{key}: {} bytes: {message:.500}", message.len());
    }
    for name in
        [format!("BYTEFIT_SERVER__{long}"), format!("BYTEFIT_{long}__KEY"), "BYTEFIT_LOG__LEVEL_FILE".to_owned()]
    {
        let message = from_environment(&[(&name, &long)]).unwrap_err().to_string();
        assert!(message.len() < 800, "{} bytes: {message:.500}", message.len());
    }
    assert!(from_environment(&[("PORT", &long)]).unwrap_err().to_string().len() < 200);
    for text in [format!("[{long}]\na = 1\n"), format!("{long} = 1\n"), format!("[server]\n{long} = 1\n")] {
        assert!(from_file(&text).unwrap_err().to_string().len() < 800);
    }
}

#[test]
fn what_is_printed_is_what_is_read() {
    let settings = from_environment(&[
        ("BYTEFIT_CACHE__CAPACITY", "1234567"),
        ("BYTEFIT_CACHE__TTL", "1h 30m"),
        ("BYTEFIT_FIT__FORMATS", "avif"),
        ("BYTEFIT_ENGINE__MEMORY", "1536MiB"),
    ])
    .unwrap();
    let printed = settings.to_toml();
    assert!(printed.contains("capacity = \"1234567\"\n") && printed.contains("memory = \"1536MiB\"\n"), "{printed}");
    assert_eq!(from_file(&printed), Ok(settings));
}

#[test]
fn the_tiers_of_the_cache_are_checked_and_no_password_is_repeated() {
    let url = "redis://:hunter2@cache:6380/1";
    let settings =
        from_environment(&[("BYTEFIT_CACHE__DISK_DIR", "/var/cache/b"), ("BYTEFIT_CACHE__REDIS_URL", url)]).unwrap();
    let printed = settings.to_toml();
    assert!(printed.contains("redis_url = \"redis://:[redacted]@cache:6380/1\""), "{printed}");
    assert!(!printed.contains("hunter2") && !format!("{settings:?}").contains("hunter2"));
    assert_eq!(settings.rights(), Rights { ports: vec![6380], folders: vec!["/var/cache/b".into()] });

    let secret = file("redis://:hunter2@cache\n");
    let path = secret.path().to_str().unwrap();
    let settings = from_environment(&[("BYTEFIT_CACHE__REDIS_URL_FILE", path)]).unwrap();
    assert_eq!(settings.cache.redis_url.unwrap().password.as_deref(), Some("hunter2"));

    let refused = from_environment(&[("BYTEFIT_CACHE__REDIS_URL", "redis//:hunter2@cache")]).unwrap_err().to_string();
    assert!(refused.contains("redis://host:6379") && !refused.contains("hunter2"), "{refused}");
    assert_refused(from_file("[cache]\ndisk_capacity = \"4KB\"\n"), &[":2: cache.disk_capacity", "1MiB"]);
}

#[test]
fn variables_of_opentelemetry_say_where_traces_go() {
    let endpoint = |variables: &[(&str, &str)]| {
        let trace = from_environment(variables).unwrap().trace;
        trace.endpoint.map(|endpoint| endpoint.to_string()).unwrap_or_default()
    };
    let (of_all, of_traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    assert_eq!(endpoint(&[(of_all, "http://a:4318/")]), "http://a:4318/v1/traces");
    assert_eq!(endpoint(&[(of_all, "https://a/otlp")]), "https://a/otlp/v1/traces");
    assert_eq!(endpoint(&[(of_all, "http://a:4318"), (of_traces, "http://b:1/x")]), "http://b:1/x");
    assert_eq!(endpoint(&[(of_all, "")]), "");
    assert_eq!(endpoint(&[(of_all, "http://a:1"), ("OTEL_SDK_DISABLED", "true")]), "");
    assert_eq!(endpoint(&[(of_all, "http://a:1"), ("OTEL_TRACES_EXPORTER", "none")]), "");
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert_eq!(
        endpoint(&[(of_all, "http://a:1"), ("BYTEFIT_TRACE__ENDPOINT", "http://b:2"), grpc]),
        "http://b:2/v1/traces"
    );
    assert_eq!(endpoint(&[grpc]), "");
    assert_refused(
        from_environment(&[(of_all, "http://a:4317"), grpc]),
        &["OTEL_EXPORTER_OTLP_PROTOCOL", "\"grpc\"", "http/protobuf"],
    );
    assert_refused(from_environment(&[(of_all, "collector:4317")]), &[of_all, "trace.endpoint", "http://HOST:4318"]);
}

#[test]
fn the_share_of_traces_and_their_time_are_read_from_any_source() {
    assert_eq!(from_file("[trace]\nsample = 0.25").unwrap().trace.sample, 0.25);
    assert_eq!(from_file("[trace]\nsample = 0").unwrap().trace.sample, 0.0);
    let of = |variables: &[(&str, &str)]| {
        let trace = from_environment(variables).unwrap().trace;
        (trace.sample, trace.timeout)
    };
    let usual = Duration::from_secs(10);
    assert_eq!(
        of(&[("BYTEFIT_TRACE__SAMPLE", "0.5"), ("BYTEFIT_TRACE__TIMEOUT", "2s")]),
        (0.5, Duration::from_secs(2))
    );
    let (sampler, share) = ("OTEL_TRACES_SAMPLER", ("OTEL_TRACES_SAMPLER_ARG", "0.1"));
    assert_eq!(of(&[(sampler, "parentbased_traceidratio"), share]), (0.1, usual));
    assert_eq!(of(&[(sampler, "traceidratio")]), (1.0, usual));
    assert_eq!(of(&[(sampler, "always_off"), share]), (0.0, usual));
    assert_eq!(of(&[share]), (1.0, usual));
    assert_eq!(of(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")]), (1.0, Duration::from_millis(2500)));
    assert_refused(from_environment(&[("BYTEFIT_TRACE__SAMPLE", "1.5")]), &["trace.sample", "0 to 1"]);
    assert_refused(from_file("[trace]\nsample = nan"), &["trace.sample", "0 to 1"]);
    assert_refused(from_environment(&[(sampler, "jaeger_remote")]), &[sampler, "traceidratio"]);
    assert_refused(
        from_environment(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]),
        &["OTEL_EXPORTER_OTLP_TIMEOUT", "trace.timeout"],
    );
}

#[test]
fn connections_are_let_through_to_the_collector_only_with_traces() {
    assert_eq!(Settings::default().rights().ports, [0; 0]);
    let traced = from_environment(&[("BYTEFIT_TRACE__ENDPOINT", "http://localhost:4318")]).unwrap();
    assert_eq!(traced.rights().ports, [4318]);
}

#[test]
fn a_redis_of_batches_needs_a_directory_that_instances_share() {
    assert_refused(
        from_file("[batch]\nredis_url = \"redis://queue\"\n"),
        &["batch.redis_url", "set batch.dir to one that all of them have"],
    );
    let settings =
        from_environment(&[("BYTEFIT_BATCH__DIR", "/srv/b"), ("BYTEFIT_BATCH__REDIS_URL", "redis://:hunter2@q:6390")]);
    let settings = settings.unwrap();
    assert_eq!(settings.rights(), Rights { ports: vec![6390], folders: vec!["/srv/b".into()] });
    assert!(!settings.to_toml().contains("hunter2"));
}

#[test]
fn modules_get_what_was_set() {
    let settings = from_environment(&[
        ("BYTEFIT_ENGINE__THREADS", "3"),
        ("BYTEFIT_ENGINE__MEMORY", "1500MB"),
        ("BYTEFIT_LIMITS__MAX_PIXELS", "5"),
        ("BYTEFIT_LIMITS__MAX_TARGET", "1KB"),
        ("BYTEFIT_FIT__DEADLINE", "1s"),
    ])
    .unwrap();
    let engine = settings.engine_config();
    assert_eq!((engine.threads, engine.memory_bytes, engine.limits.max_pixels), (3, 1_500_000_000, 5));
    let defaults = settings.defaults();
    assert_eq!((defaults.max_target, defaults.deadline), (1000, Duration::from_secs(1)));
}

const PRESET: &str = "[presets.portal]\nwidth = 600\nformat = [\"jpeg\", \"webp\"]\nenlarge = true\n";

#[test]
fn presets_are_read_from_the_file_and_changed_by_the_environment() {
    let file = file(PRESET);
    let variables = [("BYTEFIT_PRESETS__PORTAL__WIDTH", "300"), ("BYTEFIT_LIMITS__PRESETS_ONLY", "true")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let defaults = Settings::load(Some(file.path()), variables, &Flags::default()).unwrap().defaults();
    let Preset::Parameters(pairs) = &defaults.presets["portal"] else { panic!() };
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("enlarge", "true"), ("format", "jpeg,webp"), ("width", "300")]);
    assert!(defaults.presets_only);
}

#[test]
fn a_bad_preset_stops_the_start_with_file_line_and_key() {
    let bad = |line: &str| {
        let file = file(&format!("{PRESET}{line}\n"));
        let result = Settings::load(Some(file.path()), [], &Flags::default());
        (result, format!("{}:5: ", file.path().display()))
    };
    for (line, parts) in [
        ("height = 0", &["presets.portal.height: ", "1 to 65535"][..]),
        ("target = \"80k\"", &["presets.portal.target: ", "80k"]),
        ("colour = \"red\"", &["presets.portal.colour: ", "unknown parameter"]),
        ("preset = \"other\"", &["presets.portal.preset: ", "another"]),
        ("background = { red = 1 }", &["presets.portal.background: ", "table"]),
        ("[presets.Portal]\ntarget = 1", &["presets.Portal.name: ", "a-z"]),
        ("[presets.site]\noutputs = [{ name = \"a\", target = 0 }]", &["presets.site.a.target: ", "at least 1"]),
        ("[presets.site]\nwidths = [9]", &["presets.site.9w.target: ", "missing"]),
    ] {
        let (result, place) = bad(line);
        assert_refused(result, &[&[place.as_str()], parts].concat());
    }
    assert_refused(from_file("presets = 3"), &["presets"]);
    assert_refused(from_file("[presets]\nportal = 3"), &[":2: ", "presets.portal"]);
    let bad = [("BYTEFIT_PRESETS__A__WIDTH", "wide")];
    assert_refused(from_environment(&bad), &["BYTEFIT_PRESETS__A__WIDTH", "presets.a.width"]);
}

#[test]
fn the_presets_in_comments_of_the_default_file_can_be_used() {
    let commented = |line: &str| line.starts_with("# [presets.") || line.split_once(" = ").is_some();
    let section = DEFAULT_TOML.split("[presets]\n").nth(1).unwrap().split("\n[cache]").next().unwrap();
    let lines: Vec<&str> = section.lines().filter(|line| commented(line)).map(|line| &line[2..]).collect();
    let presets = from_file(&lines.join("\n")).unwrap().defaults().presets;
    assert!(presets.len() >= 10, "{}", presets.len());
    for (name, preset) in presets {
        let Preset::Parameters(pairs) = preset else { panic!("{name}") };
        params::parse(&pairs, &params::Defaults::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_least_memory_is_what_a_small_picture_takes() {
    let settings = Settings::default();
    let limits = settings.limits.pictures;
    let probe = codec::probe(&testkit::drawing::noisy_png(320, 240, 1), &limits).unwrap();
    let job = Job::new(20_000, Formats::Among(settings.fit.formats));
    let needed = job::memory_needed(&probe, &job, &limits, u64::MAX).unwrap();
    assert!((MIN_JOB_MEMORY / 4 * 3..=MIN_JOB_MEMORY).contains(&needed), "{needed}");
}
