//! The command line as people and scripts call it: the binary itself, in an empty environment and a directory of its
//! own.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytefit::codec::{Effort, Format, Limits, png, sniff};
use bytefit::job::{Source, Stop};
use bytefit::picture::{Layout, Picture};
use serde_json::Value;
use tempfile::TempDir;
use testkit::random::Random;

/// A directory with pictures in it, where the binary is run.
struct Folder(TempDir);

impl Folder {
    /// With pictures of these names.
    fn with(names: &[&str]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let picture = picture();
        for name in names {
            folder.write(name, &picture);
        }
        folder
    }

    /// Writes a file, in folders that are made.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The files in the folder `name` and below, without those that are hidden.
    fn tree(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for entry in names(&self.path(name)).into_iter().filter(|entry| !entry.starts_with('.')) {
            let path = format!("{name}/{entry}");
            match self.path(&path).is_dir() {
                true => found.extend(self.tree(&path)),
                false => found.push(path),
            }
        }
        found
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn format(&self, name: &str) -> Format {
        sniff(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bytefit"));
        command.args(arguments).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs `fit` with a target of 4 KB.
    fn fit(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(&["fit", "--target", "4KB"]).args(arguments))
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }
}

/// What a command did.
struct Ran {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn of(command: &mut Command) -> Ran {
        Ran::from(command.output().unwrap())
    }

    fn from(Output { status, stdout, stderr }: Output) -> Ran {
        let stderr = String::from_utf8(stderr).unwrap();
        Ran { code: status.code().unwrap_or_else(|| panic!("{status}: {stderr}")), stdout, stderr }
    }

    /// Asserts the exit code and that standard error has these parts.
    #[track_caller]
    fn ended(self, code: i32, parts: &[&str]) -> Ran {
        assert_eq!(self.code, code, "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "{:?} does not say {part:?}", self.stderr);
        }
        self
    }

    /// A JSON object from each line of standard output.
    fn objects(&self) -> Vec<Value> {
        String::from_utf8_lossy(&self.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A PNG of 64x48 pixels under noise: some 9 KB.
fn picture() -> Vec<u8> {
    let mut random = Random::new(7);
    let pixels = (0..64 * 48 * 3).map(|at: u32| (at / 60) as u8 / 2 + random.below(64) as u8).collect();
    png::encode::encode_lossless(&Picture::new(64, 48, Layout::Rgb, pixels), Effort::Fast).unwrap()
}

fn decodes(bytes: &[u8]) -> bool {
    let stop = Stop::at(Instant::now() + Duration::from_secs(60));
    Source::open(bytes, &Limits::default(), &stop).is_ok()
}

#[test]
fn an_input_without_an_end_is_refused_at_the_limit() {
    let folder = Folder::with(&["a.png"]);
    let mut command = folder.command(&["fit", "--target", "4KB", "--json", "/dev/zero", "a.png"]);
    let ran = Ran::of(command.env("BYTEFIT_SERVER__MAX_BODY", "1MB"));
    let ran = ran.ended(1, &["/dev/zero: more than 1000000 bytes, the limit that server.max_body sets"]);
    let objects = ran.objects();
    let refused = objects.iter().find(|object| object["file"] == "/dev/zero").unwrap();
    assert_eq!((&refused["code"], &refused["limit_bytes"]), (&"body_too_large".into(), &1_000_000.into()));
    assert!(objects.iter().any(|object| object["written"].as_str().is_some_and(|path| path.starts_with("a.fit."))));
}

#[test]
fn standard_input_goes_to_standard_output() {
    let folder = Folder::with(&["a.png"]);
    let input = || fs::File::open(folder.path("a.png")).unwrap();
    let ran = Ran::of(folder.command(&["fit", "--target", "4KB", "--format", "jpeg", "-"]).stdin(input()));
    let ran = ran.ended(0, &["-: ", " jpeg 64x48"]);
    assert_eq!(sniff(&ran.stdout), Ok(Format::Jpeg));
    assert!(ran.stdout.len() <= 4000);
    let ran = Ran::of(folder.command(&["fit", "--target", "4KB", "-", "-o", "out.webp"]).stdin(input()));
    ran.ended(0, &[]);
    assert_eq!(folder.format("out.webp"), Format::Webp);
    folder.fit(&["-"]).ended(1, &["-: no bytes"]);
    folder.fit(&["-", "a.png"]).ended(2, &["-o DIR/"]);
}

#[test]
fn the_name_of_the_output_chooses_the_format() {
    let folder = Folder::with(&["a.png"]);
    for (name, format) in [("a.webp", Format::Webp), ("a.JPG", Format::Jpeg), ("a.avif", Format::Avif)] {
        let ran = folder.fit(&["a.png", "-o", name]).ended(0, &[]);
        assert_eq!((folder.format(name), ran.stderr.as_str()), (format, ""), "{name}");
    }
    folder
        .fit(&["a.png", "-o", "b.webp", "--format", "jpeg"])
        .ended(0, &["warning: b.webp holds jpeg, but its name says webp"]);
    folder.fit(&["a.png", "-o", "b.gif"]).ended(0, &["warning: b.gif holds ", "its name says gif"]);
}

#[test]
fn a_folder_that_is_not_there_is_named_before_any_work() {
    let folder = Folder::with(&["a.png"]);
    let ran = folder.fit(&["a.png", "-o", "nothing/a.webp"]).ended(2, &["there is no folder nothing"]);
    assert!(!ran.stderr.contains(".bytefit-"), "{}", ran.stderr);
}

#[test]
fn failures_are_objects_too() {
    let folder = Folder::with(&["a.png"]);
    fs::write(folder.path("b.png"), "no picture").unwrap();
    let ran = folder.run(&[
        "fit",
        "a.png",
        "b.png",
        "c.png",
        "--target",
        "40",
        "--format",
        "jpeg",
        "--downscale",
        "never",
        "--json",
    ]);
    let ran = ran.ended(1, &["a.png: no setting reaches 40 bytes", "b.png: ", "c.png: "]);
    let objects = ran.objects();
    let of = |file: &str| objects.iter().find(|object| object["file"] == file).unwrap();
    assert_eq!((&of("a.png")["code"], &of("a.png")["status"]), (&"target_unreachable".into(), &422.into()));
    assert!(of("a.png")["smallest_bytes"].as_u64().unwrap() > 40);
    assert_eq!((&of("b.png")["code"], &of("c.png")["code"]), (&"unsupported_format".into(), &"unreadable".into()));
    assert!(objects.iter().all(|object| object["detail"].is_string()));
}

#[test]
fn a_directory_is_made_where_it_is_named_as_one() {
    let folder = Folder::with(&["a.png", "b.png"]);
    folder.fit(&["a.png", "b.png", "-o", "new/deep/", "--format", "webp"]).ended(0, &[]);
    assert_eq!(names(&folder.path("new/deep")), ["a.webp", "b.webp"]);
    folder.fit(&["a.png", "b.png", "-o", "other"]).ended(2, &["other is not a directory; to create it, write other/"]);
    folder.fit(&["a.png", "-o", "third/", "--quality", "200"]).ended(2, &["--quality"]);
    folder.fit(&["a.png", "-o", "b.png/"]).ended(2, &["can't make b.png/"]);
    assert_eq!(folder.names(), ["a.png", "b.png", "new"]);
}

#[test]
fn namesakes_are_both_kept() {
    let folder = Folder::with(&["a.jpg", "a.png"]);
    folder.fit(&["a.jpg", "a.png", "--format", "webp"]).ended(0, &[]);
    assert_eq!(folder.names(), ["a.jpg", "a.jpg.fit.webp", "a.png", "a.png.fit.webp"]);
}

#[test]
fn a_file_that_is_there_already_is_kept_unless_forced_or_named() {
    let folder = Folder::with(&["a.png"]);
    fs::write(folder.path("a.fit.webp"), "somebody else's").unwrap();
    let ran = folder.fit(&["a.png", "--format", "webp", "--json"]);
    let ran = ran.ended(1, &["a.png: a.fit.webp exists already; --force overwrites it"]);
    assert_eq!(ran.objects()[0]["code"], "output_exists");
    assert_eq!(fs::read(folder.path("a.fit.webp")).unwrap(), b"somebody else's");
    folder.fit(&["a.png", "--format", "webp", "--force"]).ended(0, &[]);
    assert_eq!(folder.format("a.fit.webp"), Format::Webp);
    for code in [0, 1] {
        folder.fit(&["a.png", "--format", "webp", "-o", "new/"]).ended(code, &[]);
    }
    for _ in 0..2 {
        folder.fit(&["a.png", "-o", "named.webp"]).ended(0, &[]);
    }
    folder.fit(&["a.png", "-o", "a.png", "--force"]).ended(1, &["a.png is an input and is never overwritten"]);
    assert_eq!(folder.names(), ["a.fit.webp", "a.png", "named.webp", "new"]);
}

#[test]
fn health_finds_the_server_as_people_name_it() {
    let folder = Folder::with(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            let is_health = request[..length].starts_with(b"GET /health HTTP/1.1\r\n");
            let status = if is_health { "200 OK" } else { "404 Not Found" };
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).unwrap();
        }
    });
    for url in ["http://localhost:PORT/health", "localhost:PORT/health", "127.0.0.1:PORT", ":PORT"] {
        folder.run(&["health", &url.replace("PORT", &port.to_string())]).ended(0, &[]);
    }
    folder.run(&["health", &format!("localhost:{port}/nothing")]).ended(1, &["answered 404"]);
    fs::write(folder.path("bytefit.toml"), format!("[server]\nlisten = \":{port}\"\n")).unwrap();
    folder.run(&["health", "--config", "bytefit.toml"]).ended(0, &[]);
    folder.run(&["health", "--config", "missing.toml"]).ended(1, &["missing.toml"]);
    // Either refuses on port 80, or has it: what is no port and no address has another message.
    let ran = folder.run(&["health", "http://[::1]/health"]);
    assert!(!ran.stderr.contains("invalid") && !ran.stderr.contains("not a port"), "{}", ran.stderr);
}

#[test]
fn settings_that_cannot_serve_stop_the_start() {
    let folder = Folder::with(&[]);
    for (text, part) in [
        ("[engine]\nthreads = 20000\n", "bad.toml:2: engine.threads: 20000 is more than 1024"),
        ("[engine]\nmemory = \"1KB\"\n", "bad.toml:2: engine.memory: 1KB is less than"),
    ] {
        fs::write(folder.path("bad.toml"), text).unwrap();
        folder.run(&["serve", "--listen", "127.0.0.1:0", "--config", "bad.toml"]).ended(2, &[part]);
    }
    let mut both = folder.command(&["config"]);
    both.envs([("BYTEFIT_CACHE__TTL", "1m"), ("BYTEFIT_CACHE__TTL_FILE", "bad.toml")]);
    Ran::of(&mut both).ended(2, &["BYTEFIT_CACHE__TTL_FILE: cache.ttl: BYTEFIT_CACHE__TTL sets it too"]);
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let folder = Folder::with(&["a.png"]);
    let long = "x".repeat(7000);
    for arguments in [
        &["fit", "a.png", "--target", &long][..],
        &["fit", "a.png", "--target", "4KB", "--format", &long],
        &["fit", "a.png", &format!("--{long}=1")],
        &["serve", "--listen", &long],
        &["config", &long],
        &["health", &long],
        &[&long],
    ] {
        let ran = folder.run(arguments);
        assert!(ran.code != 0 && ran.stderr.len() < 1000, "{}: {} bytes", arguments[0], ran.stderr.len());
        assert!(ran.stderr.contains(&"x".repeat(70)), "{}", ran.stderr);
    }
}

#[test]
fn a_preset_of_the_settings_stands_for_its_parameters() {
    let folder = Folder::with(&["a.png"]);
    fs::write(
        folder.path("settings.toml"),
        "[limits]\npresets_only = true\n[presets.small]\ntarget = \"3KB\"\nformat = \"jpeg\"\n",
    )
    .unwrap();
    let fit = ["fit", "a.png", "--config", "settings.toml", "--preset", "small", "--width", "40", "-o", "b.jpg"];
    folder.run(&fit).ended(0, &[]);
    assert_eq!(folder.format("b.jpg"), Format::Jpeg);
    assert!(fs::metadata(folder.path("b.jpg")).unwrap().len() <= 3_000);
    folder.run(&["fit", "a.png", "--preset", "small"]).ended(2, &["--preset", "no presets"]);
}

#[test]
fn many_files_fit_into_one_total_at_the_same_quality() {
    let names = ["a.png", "b.png", "c.png", "d.png"];
    let folder = Folder::with(&names);
    for total in [9_000, 6_000] {
        let total_text = total.to_string();
        let options =
            ["--total", &total_text, "--mode", "fit", "--format", "jpeg", "--downscale", "never", "--force", "--json"];
        let ran = folder.run(&[&["fit"], &names[..], &options].concat()).ended(0, &["total: 4 files, "]);
        let objects = ran.objects();
        let written: u64 = objects.iter().map(|object| object["output"]["bytes"].as_u64().unwrap()).sum();
        assert!(written <= total && written * 100 >= total * 95, "{written} of {total}");
        let qualities = objects.iter().map(|object| object["output"]["quality"].as_f64().unwrap());
        let (low, high) = qualities.fold((f64::MAX, f64::MIN), |(low, high), q| (low.min(q), high.max(q)));
        assert!(high - low <= 5.0, "{low} to {high}");
    }
    let refused: [(&[&str], &str); 6] = [
        (&["--target", "9KB", "--min-bytes", "10KB"], "--min-bytes: "),
        (&["--total", "9KB", "--target", "1KB"], "--target"),
        (&["--total", "9k"], "--total"),
        (&["--total", "900GB"], "--total"),
        (&["--total", "9KB", "--mode", "exact"], "--mode"),
        (&["--total", "9KB", "-"], "standard input"),
    ];
    for (arguments, part) in refused {
        folder.run(&[&["fit", "a.png"], arguments].concat()).ended(2, &[part]);
    }
    folder
        .run(&["fit", "a.png", "b.png", "--total", "100", "--force", "--format", "jpeg", "--downscale", "never"])
        .ended(1, &["no answers fit into a total of 100 bytes: the smallest have "]);
}

#[test]
fn a_small_file_takes_more_of_a_total_than_planned_where_there_is_more() {
    let folder = Folder::with(&[]);
    let png = |width: u32, height: u32, pixel: fn(u32, u32) -> [u32; 3]| {
        let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y).map(|level| level as u8)));
        png::encode::encode_lossless(&Picture::new(width, height, Layout::Rgb, pixels.collect()), Effort::Fast).unwrap()
    };
    folder.write("line.png", png(700, 1, |x, _| [x * 7, x * 13, x * 29]));
    folder.write("busy.png", png(100, 75, |x, y| [(x * x + y * y) / 7, x * y / 5, x * 3 + y * 11]));
    let options = ["--total", "2000", "--format", "png", "--width", "50", "--force"];
    folder.run(&[&["fit", "line.png", "busy.png"], &options[..]].concat()).ended(0, &["total: 2 files, "]);
}

#[test]
fn a_total_that_cannot_be_met_names_the_smallest_and_writes_nothing() {
    let folder = Folder::with(&["in/a.png", "in/deep/b.png", "in/c.png"]);
    let fit = |total: &str, more: &[&str]| {
        let options = ["fit", "-r", "in", "--format", "jpeg", "--downscale", "never", "-o", "out", "--total", total];
        folder.run(&[&options[..], more].concat())
    };
    let ran = fit("600", &["--json"]).ended(1, &["no answers fit into a total of 600 bytes"]);
    let [refusal] = &ran.objects()[..] else { panic!("one object for all files") };
    assert_eq!((&refusal["code"], &refusal["total"]), (&"total_unreachable".into(), &600.into()));
    assert!(names(&folder.path("out")).is_empty());
    let smallest = refusal["smallest_total_bytes"].as_u64().unwrap();
    fit(&(smallest - 1).to_string(), &[]).ended(1, &["no answers fit"]);
    let ran = fit(&smallest.to_string(), &["--json"]).ended(0, &["total: 3 files, ", "3 files: 3 fitted"]);
    let written: u64 = ran.objects().iter().map(|object| object["output"]["bytes"].as_u64().unwrap()).sum();
    assert_eq!(written, smallest);
    assert_eq!(names(&folder.path("out")), ["a.jpg", "c.jpg", "deep"]);
}

#[test]
fn sign_prints_the_path_of_a_link() {
    let folder = Folder::with(&[]);
    fs::write(folder.path("keys.toml"), "[source]\nkeys = [\"736563726574\"]\nsalts = [\"68656c6c6f\"]\n").unwrap();
    let sign = |arguments: &[&str]| folder.run(&[&["sign", "--config", "keys.toml"], arguments].concat());
    let url = "http://example.com/images/curiosity.jpg?a=b c";
    // Python: hmac.new(b"secret", b"hello" + path, hashlib.sha256)
    let encoded = sign(&["target:80KB/width:800", url]).ended(0, &[]);
    assert_eq!(
        String::from_utf8(encoded.stdout).unwrap(),
        "/fit/n5Jl79b13s0CFEN7P3QtTTeSudKhBT3wy1nr6hiMy5M/target:80KB/width:800/\
         aHR0cDovL2V4YW1wbGUuY29tL2ltYWdlcy9jdXJpb3NpdHkuanBnP2E9YiBj\n"
    );
    let plain = sign(&["--plain", "/target:80KB/", url]).ended(0, &[]);
    assert_eq!(
        String::from_utf8(plain.stdout).unwrap(),
        "/fit/jwsBogDtcjrRDMShqoZs0bQIxR6KgRhB3K_pAnSx6mM/target:80KB/plain/http://example.com/images/curiosity.jpg%3Fa=b%20c\n"
    );
    sign(&["width:800", url]).ended(2, &["target: missing"]);
    sign(&["target:80KB/colour:red", url]).ended(2, &["colour", "unknown parameter"]);
    sign(&["target:80KB/expires:1000", url]).ended(2, &["valid until"]);
    sign(&["target:80KB", "example.com/a.jpg"]).ended(2, &["URL"]);
    sign(&["target:80KB", "http://127.0.0.1/a.jpg"]).ended(2, &["no public address"]);
    folder.run(&["sign", "target:80KB", url]).ended(2, &["source.keys"]);
}

#[test]
fn secrets_are_read_from_files_and_never_shown() {
    let folder = Folder::with(&[]);
    fs::write(folder.path("api-keys"), "shop:hidden-1\nblog:hidden-2\n").unwrap();
    fs::write(folder.path("link-key"), "00c0ffee\n").unwrap();
    let mut config = folder.command(&["config"]);
    config.envs([
        ("BYTEFIT_AUTH__KEYS_FILE", "api-keys"),
        ("BYTEFIT_SOURCE__KEYS_FILE", "link-key"),
        ("BYTEFIT_SOURCE__SALTS", "0012"),
        ("BYTEFIT_SOURCE__PORTS", "80,8080"),
        ("BYTEFIT_SOURCE__ALLOWED_HOSTS", "example.com, *.example.org"),
        ("BYTEFIT_LIMITS__RATE__PER_MINUTE", "60"),
        ("BYTEFIT_CORS__ORIGINS", "https://example.com"),
    ]);
    let shown = String::from_utf8(Ran::of(&mut config).ended(0, &[]).stdout).unwrap();
    for expected in [
        "id = \"shop\"",
        "id = \"blog\"",
        "[redacted]",
        "per_minute = 60",
        "*.example.org",
        "https://example.com",
        "8080",
    ] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    for secret in ["hidden", "c0ffee", "0012"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    for (name, value) in [
        ("BYTEFIT_AUTH__KEYS", "hidden"),
        ("BYTEFIT_AUTH__KEYS", "a b:hidden"),
        ("BYTEFIT_SOURCE__KEYS", "hidden"),
        ("BYTEFIT_SOURCE__KEYS", "00ff"),
        ("BYTEFIT_SOURCE__UNSIGNED", "true"),
        ("BYTEFIT_SOURCE__ALLOWED_HOSTS", "http://example.com"),
        ("BYTEFIT_CORS__ORIGINS", "example.com"),
        ("BYTEFIT_LIMITS__RATE__COLOUR", "1"),
    ] {
        let refused = Ran::of(folder.command(&["config"]).env(name, value)).ended(2, &[name]);
        assert!(!refused.stderr.contains("hidden"), "{}", refused.stderr);
    }
}

#[test]
fn shells_complete_the_command_line_and_man_shows_it() {
    let folder = Folder::with(&[]);
    let printed = |arguments: &[&str]| String::from_utf8(folder.run(arguments).ended(0, &[]).stdout).unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for part in ["bytefit", "serve", "min-bytes", "completions"] {
            assert!(script.contains(part), "{part} for {shell}");
        }
    }
    folder.run(&["completions", "tcsh"]).ended(2, &["tcsh", "bash"]);
    let main = printed(&["man"]);
    assert!(main.contains(".TH bytefit 1") && main.contains("bytefit\\-fit(1)"), "{main}");
    let fit = printed(&["man", "fit"]);
    assert!(fit.contains(".TH bytefit-fit 1") && fit.contains("min\\-bytes") && fit.contains("bytefit fit"), "{fit}");
    folder.run(&["man", "colour"]).ended(2, &["colour is no command"]);
    for command in ["man", "config"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ran = folder.command(&[command]).stdout(full).output().unwrap();
        Ran::from(ran).ended(1, &["bytefit: No space left on device"]);
    }
}

#[test]
fn folders_are_fitted_with_their_paths_and_what_is_no_picture_is_counted() {
    let folder = Folder::with(&["in/b.png", "in/a.png", "in/2020/06/c.png", "in/.hidden.png", "in/.git/d.png"]);
    folder.write("in/notes.txt", "no picture");
    folder.write("in/2020/empty.jpg", "");
    let summary = "3 files: 3 fitted; left out: 2 hidden, 2 no pictures";
    let ran = folder.fit(&["in", "-r", "-o", "out/new", "--format", "webp"]).ended(0, &[summary]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout).lines().count(), 3, "a line a file");
    assert_eq!(folder.tree("out"), ["out/new/2020/06/c.webp", "out/new/a.webp", "out/new/b.webp"]);
    // Beside the inputs, and the answers are no inputs of the next run.
    folder.fit(&["--recursive", "in", "--format", "webp"]).ended(0, &["3 files: 3 fitted"]);
    assert!(folder.path("in/2020/06/c.fit.webp").is_file());
    folder.fit(&["--recursive", "in", "--format", "webp", "--force"]).ended(0, &["3 files: 3 fitted", "3 answers"]);
    // A file that is named must be a picture, one of a folder that can't be fitted is a failure.
    folder.write("in/damaged.png", &picture()[..60]);
    folder
        .fit(&["-r", "in", "in/notes.txt", "-o", "out/2", "--format", "webp"])
        .ended(1, &["in/notes.txt: ", "in/damaged.png: ", "2 failed"]);
}

#[test]
fn folders_that_can_not_be_meant_are_refused_before_anything_is_written() {
    let folder = Folder::with(&["in/a.png", "other/a.png", "b.png"]);
    folder.write("file", "no folder");
    for (arguments, part) in [
        (&["b.png", "in"][..], "in is a folder: with --recursive"),
        (&["-r", "in", "-o", "in/"], "in can't take the answers"),
        (&["-r", "in", "-o", "-"], "standard output"),
        (&["-r", "in", "-o", "file"], "file is not a directory"),
        (&["-r", "in", "other", "-o", "out"], "in/a.png and other/a.png would have the same answer, out/a.png.*"),
        (&["in/a.png", "other/a.png", "-o", "out/"], "would have the same answer"),
        (&["nothing*.png"], "nothing*.png matches no picture"),
        (&["in/***"], "no pattern"),
        (&["-r", "in", "--jobs", "0"], "--jobs"),
        (&["b.png", "--resume", "-o", "-"], "--resume"),
        (&["b.png", "--resume", "--total", "1MB"], "--total"),
    ] {
        folder.fit(arguments).ended(2, &[part]);
    }
    assert_eq!(folder.names(), ["b.png", "file", "in", "other"]);
    assert_eq!(folder.tree("in"), ["in/a.png"]);
}

#[test]
fn a_folder_without_pictures_is_no_failure_and_one_that_is_missing_is() {
    let folder = Folder::with(&[]);
    folder.write("in/notes.txt", "no picture");
    folder.fit(&["-r", "in", "-o", "out"]).ended(0, &["0 files; left out: 1 no picture"]);
    folder.fit(&["-r", "missing"]).ended(1, &["missing: No such file"]);
}

#[test]
fn links_that_lead_in_circles_are_harmless() {
    let folder = Folder::with(&["in/a.png", "elsewhere/b.png"]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path(name)).unwrap();
    link("..", "in/up");
    link(".", "in/self");
    link("../elsewhere/b.png", "in/b.png");
    link("nowhere", "in/broken.png");
    link("in", "link");
    for name in ["in", "link"] {
        let ran = folder.fit(&["-r", name, "-o", "out", "--force", "--format", "webp"]);
        ran.ended(1, &["broken.png: No such file", "3 files: 2 fitted, 1 failed; left out: 2 links to folders"]);
    }
    assert_eq!(folder.tree("out"), ["out/a.webp", "out/b.webp"]);
    // Neither a folder within another nor a file that is named too comes twice, nor what lies in the folder of the
    // answers.
    let ran = folder.fit(&["-r", "elsewhere/b.png", ".", "in", "-o", "out/", "--force", "--format", "webp"]);
    ran.ended(1, &["4 files: 3 fitted, 1 failed"]);
    assert_eq!(folder.tree("out"), ["out/a.webp", "out/b.webp", "out/in/a.webp", "out/in/b.webp"]);
}

#[test]
fn a_quoted_pattern_is_what_the_shell_would_make_of_it() {
    let folder = Folder::with(&["in/a.png", "in/b.png", "in/x/c.png", "in/x/y/d.png", "in/.e.png", "in/[1].png"]);
    folder.write("in/x/notes.txt", "no picture");
    for (pattern, expected) in [
        ("in/[ab].png", &["out/a.webp", "out/b.webp"][..]),
        ("in/*/*.png", &["out/x/c.webp"]),
        ("./in/**/*.png", &["out/[1].webp", "out/a.webp", "out/b.webp", "out/x/c.webp", "out/x/y/d.webp"]),
        ("in/x/**/*", &["out/c.webp", "out/y/d.webp"]),
        ("in/[1].png", &["out/[1].webp"]),
        ("i?/a.png", &["out/in/a.webp"]),
    ] {
        folder.fit(&[pattern, "-o", "out/", "--format", "webp"]).ended(0, &[]);
        assert_eq!(folder.tree("out"), expected, "{pattern}");
        fs::remove_dir_all(folder.path("out")).unwrap();
    }
    folder.fit(&["*.png"]).ended(2, &["*.png matches no picture"]);
}

#[test]
fn resume_does_what_is_not_done_with_these_parameters() {
    let folder = Folder::with(&["in/a.png", "in/b.png", "in/x/c.png"]);
    let fit = |more: &[&str], summary: &str| {
        let options = ["-r", "in", "-o", "out", "--resume"];
        folder.fit(&[&options[..], more].concat()).ended(0, &[summary])
    };
    let webp = ["--format", "webp"];
    fit(&webp, "3 files: 3 fitted");
    let ran = fit(&webp, "3 files: 3 done before");
    assert!(ran.stdout.is_empty());
    let answer = fs::read(folder.path("out/x/c.webp")).unwrap();
    // An answer that is gone, one that is cut, an input that is new, and one that is another now.
    fs::remove_file(folder.path("out/a.webp")).unwrap();
    folder.write("out/b.webp", "cut");
    folder
        .fit(&["-r", "in", "-o", "out", "--resume", "--format", "webp"])
        .ended(1, &["out/b.webp exists already", "3 files: 1 fitted, 1 failed, 1 done before"]);
    fs::remove_file(folder.path("out/b.webp")).unwrap();
    folder.write("in/d.png", picture());
    folder.write("in/x/c.png", [&picture()[..], b"more"].concat());
    fit(&webp, "4 files: 3 fitted, 1 done before");
    // Other parameters: what an earlier run wrote is replaced, without --force.
    fit(&["--format", "webp", "--quality", "30"], "4 files: 4 fitted");
    assert_ne!(fs::read(folder.path("out/x/c.webp")).unwrap(), answer);
    fit(&["--format", "jpeg"], "4 files: 4 fitted");
    fit(&["--format", "jpeg"], "4 files: 4 done before");
    // Beside the inputs each folder has its record.
    for summary in ["4 files: 4 fitted", "4 files: 4 done before; left out: 2 hidden, 4 answers"] {
        folder.fit(&["-r", "in", "--resume", "--format", "webp"]).ended(0, &[summary]);
    }
}

#[test]
fn a_run_that_is_killed_is_resumed_with_whole_files_only() {
    let inputs: Vec<String> = (0..40).map(|number| format!("in/{number:02}.png")).collect();
    let folder = Folder::with(&inputs.iter().map(String::as_str).collect::<Vec<_>>());
    let arguments = ["fit", "-r", "in", "-o", "out", "--resume", "--target", "3KB", "--format", "webp", "--jobs", "2"];
    let mut done = 0;
    for round in 1..=4 {
        let mut running = folder.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = [0; 200];
        // Killed after its first line: something is done, and something is in the middle.
        let _ = running.stdout.as_mut().unwrap().read(&mut line).unwrap();
        running.kill().unwrap();
        running.wait().unwrap();
        let answers = folder.tree("out");
        assert!(answers.len() > done, "round {round} went on");
        done = answers.len();
        for answer in answers {
            let bytes = fs::read(folder.path(&answer)).unwrap();
            assert!(bytes.len() <= 3000 && decodes(&bytes), "{answer}");
        }
    }
    let ran = Ran::of(&mut folder.command(&arguments)).ended(0, &["40 files: ", " done before"]);
    assert!(String::from_utf8_lossy(&ran.stdout).lines().count() <= 40 - done + 1);
    assert_eq!(folder.tree("out").len(), 40);
    let hidden = names(&folder.path("out")).into_iter().filter(|name| name.starts_with('.'));
    assert_eq!(hidden.collect::<Vec<_>>(), [".bytefit-resume"], "nothing of the killed runs is left");
}

#[test]
fn few_jobs_and_little_memory_change_no_answer() {
    let folder = Folder::with(&[]);
    for seed in 0..4 {
        folder.write(&format!("in/{seed}.png"), testkit::drawing::noisy_png(600, 500, seed));
    }
    let fit = |output: &str, jobs: &str, memory: &str| {
        let arguments = ["fit", "-r", "in", "--target", "60KB", "--format", "jpeg", "-o", output, "--jobs", jobs];
        let mut command = folder.command(&arguments);
        command.env("BYTEFIT_ENGINE__MEMORY", memory).env("BYTEFIT_SERVER__MAX_BODY", "2MB");
        Ran::of(&mut command).ended(0, &["4 files: 4 fitted"]);
        folder.tree(output).iter().map(|name| fs::read(folder.path(name)).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(fit("one", "1", "4GB"), fit("many", "4", "32MB"));
}
