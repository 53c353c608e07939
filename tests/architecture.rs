//! A module imports only modules of lower levels, and the core names nothing outside it (docs/architecture.md). The
//! test reads the source as text, so that it also sees tests and code that this build leaves out.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules, those at the bottom first; a module imports modules below it, never one beside or above.
const LEVELS: &[&[&str]] = &[
    &["named", "stop", "byte_size", "panics", "excerpt", "sandbox"],
    &["duration"],
    &["config_value"],
    &["outbound"],
    &["picture"],
    &["codec", "search"],
    &["job"],
    &["params", "metrics"],
    &["engine"],
    &["source", "trace"],
    &["batch"],
    &["http", "workers"],
    &["telemetry"],
    &["settings"],
    &["app"],
    &["cli"],
    &["main", "lib"],
];

/// The layers of http, the lowest first; the same rule holds between them.
const HTTP_LEVELS: &[&[&str]] = &[
    &["config"],
    &["response"],
    &["contract", "pages"],
    &["request"],
    &["routes"],
    &["middleware", "redirect"],
    &["router", "transport"],
];

/// The modules of job, the lowest first; the same rule holds between them.
const JOB_LEVELS: &[&[&str]] = &[
    &["error", "report", "prepared", "scale_gain", "format_rank"],
    &["spec", "candidate"],
    &["size_curve"],
    &["clock", "views", "search_log", "scoring", "checks", "share"],
    &["context", "passthrough", "transcoded"],
    &["search_adapter", "lossless"],
    &["at_size"],
    &["trial", "scale_choice"],
    &["scale_trials"],
    &["downscale", "memory"],
    &["lossy", "few_colours"],
    &["smooth", "ranking"],
    &["formats", "calibration"],
    &["fit", "finish"],
    &["source"],
    &["total"],
];

/// The modules whose parts have levels of their own.
const INNER_LEVELS: &[(&str, &[&[&str]])] = &[("http", HTTP_LEVELS), ("job", JOB_LEVELS)];

/// Modules that know nothing of the world outside.
const PURE: &[&str] = &[
    "named",
    "stop",
    "byte_size",
    "excerpt",
    "duration",
    "config_value",
    "picture",
    "codec",
    "search",
    "job",
    "params",
];

/// What the world outside is called.
const OUTSIDE: &[&str] = &["axum", "tokio", "http", "hyper", "prometheus", "tracing"];

#[test]
fn imports_go_down_and_the_core_is_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 30, "the source is found");
    let violations: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let module = path.strip_prefix(&root).unwrap().with_extension("");
            check(&module.to_string_lossy(), &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_module_has_a_level() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().path().with_extension("");
        let module = name.file_name().unwrap().to_string_lossy().into_owned();
        assert!(level(LEVELS, &module).is_some(), "{module} is in no level");
    }
    for (module, levels) in INNER_LEVELS {
        for entry in fs::read_dir(root.join(module)).unwrap() {
            let path = entry.unwrap().path().with_extension("");
            let part = path.file_name().unwrap().to_string_lossy();
            assert!(part == "mod" || level(levels, &part).is_some(), "{module}/{part} is in no level");
        }
    }
}

#[test]
fn a_breach_is_noticed() {
    for (module, text) in [
        ("picture/score", "use crate::codec::Format;"),
        ("codec/mod", "use crate::search::aim;"),
        ("codec/jpeg/mod", "fn f(job: &crate::job::Job) {}"),
        ("codec/jpeg/mod", "use super::super::engine::Engine;"),
        ("job/mod", "use super::engine::Engine;"),
        ("engine/pool", "use crate::{job::Job, http};"),
        ("search/secant", "tokio::spawn(work);"),
        ("params", "use http::Uri;"),
        ("job", "let threads = std::env::var(\"THREADS\");"),
        ("codec/png/encode", "tracing::debug!(bytes);"),
        ("http/response/reply", "use crate::http::routes::Route;"),
        ("http/request/upload", "use super::super::routes;"),
        ("http/contract/mod", "use super::request::form;"),
        ("http/transport/server", "use crate::http::router::router;"),
        ("job/downscale", "use super::lossy::candidate;"),
        ("job/lossy", "use crate::job::{Job, formats};"),
    ] {
        assert_eq!(check(module, text).len(), 1, "{module}: {text}");
    }
    for (module, text) in [
        ("codec/mod", "use crate::picture::Picture;"),
        ("codec/jpeg/encode", "use super::super::Format; // tokio::, http::"),
        ("codec/exif", "const XMP: &str = \"http://ns.adobe.com/xap/1.0/\";"),
        ("job/mod", "use super::job;"),
        ("engine/pool", "use crate::{codec::{Format, Limits}, job::Job};"),
        ("http/routes/metrics", "use axum::extract::State;"),
        ("http/routes/compress", "use crate::http::request::query; use super::Route; use super::super::response;"),
        ("search/secant", "let my_tokio = 1;"),
        ("job/lossy", "use super::{Job, downscale};"),
    ] {
        assert!(check(module, text).is_empty(), "{module}: {text}");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// What `module` (its path below src, without extension) must not say, and says.
fn check(module: &str, text: &str) -> Vec<String> {
    let top = module.split('/').next().unwrap();
    let code: String = text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<&str>>().join("\n");
    let mut found = Vec::new();
    let mut levels = vec![(LEVELS, "crate::".to_owned(), module)];
    for (outer, inner_levels) in INNER_LEVELS {
        if let Some(inside) = module.strip_prefix(outer).and_then(|rest| rest.strip_prefix('/')) {
            levels.push((inner_levels, format!("crate::{outer}::"), inside));
        }
    }
    for (levels, root, inside) in levels {
        let own = inside.split('/').next().unwrap();
        for named in modules_named(levels, &root, inside, &code) {
            if named != own && level(levels, &named) >= level(levels, own) {
                found.push(format!("{module} imports {named}, which is not below it"));
            }
        }
    }
    if PURE.contains(&top) {
        for outside in OUTSIDE {
            if says(&code, outside) {
                found.push(format!("{module} is of the core and names {outside}"));
            }
        }
        if code.contains("std::env") {
            found.push(format!("{module} is of the core and reads the environment"));
        }
    }
    found
}

fn level(levels: &[&[&str]], module: &str) -> Option<usize> {
    levels.iter().position(|modules| modules.contains(&module))
}

/// The modules of `levels` that `code` reaches through `root`, or through as many `super::` as lead from `inside` to
/// it.
fn modules_named(levels: &[&[&str]], root: &str, inside: &str, code: &str) -> Vec<String> {
    let depth = inside.trim_end_matches("/mod").split('/').count();
    let mut modules = Vec::new();
    for start in [root.to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&start) {
            let preceding = code[..at].chars().next_back();
            if preceding.is_none_or(|c| !is_word(c) && c != '$') {
                modules.extend(heads(&code[at + start.len()..]));
            }
        }
    }
    modules.retain(|name| level(levels, name).is_some());
    modules
}

/// The first names of a path or of each path in a braced list.
fn heads(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else {
        return vec![path.chars().take_while(|c| is_word(*c)).collect()];
    };
    let (mut names, mut nesting, mut name) = (Vec::new(), 0, String::new());
    for c in list.chars() {
        match c {
            '{' => nesting += 1,
            '}' if nesting == 0 => break,
            '}' => nesting -= 1,
            ',' if nesting == 0 => names.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    names.push(name);
    names.iter().map(|name| name.trim().chars().take_while(|c| is_word(*c)).collect()).collect()
}

/// Whether `code` has a path that begins with `name`.
fn says(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let preceding = code[..at].chars().next_back();
        let first = preceding.is_none_or(|c| !is_word(c) && c != ':');
        first && code[at + name.len()..].starts_with("::")
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
