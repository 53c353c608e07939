//! `bytefit sign`: prints the signed path of a link.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{BAD_USAGE, environment, fail, print_whole};
use crate::http;
use crate::settings::{Flags, Settings};

/// What is encoded in the URL of a link after `plain`: all that ends a path or means something in it.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'@');

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Parameters as name:value, with slashes between them: target:80KB/width:800/expires:1790000000
    #[arg(value_name = "OPTIONS")]
    options: String,
    /// The URL of the picture
    #[arg(value_name = "URL")]
    url: String,
    /// Leave the URL readable instead of writing it in base64url
    #[arg(long)]
    plain: bool,
    /// TOML file with the settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let settings = match Settings::load(arguments.config.as_deref(), environment(), &Flags::default()) {
        Ok(settings) => settings,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    let link = link(arguments);
    if let Err(reason) = http::check_link(&link, &settings.defaults(), &settings.source) {
        return fail(BAD_USAGE, &reason);
    }
    match settings.source.signer().sign(&link) {
        Some(signature) => print_whole(format!("{}{signature}{link}\n", http::LINK_PREFIX).as_bytes()),
        None => fail(BAD_USAGE, &"there is no key to sign with: set source.keys and source.salts"),
    }
}

/// The path behind the signature.
fn link(arguments: &Arguments) -> String {
    let options = arguments.options.trim_matches('/');
    let options = if options.is_empty() { String::new() } else { format!("/{options}") };
    match arguments.plain {
        true => format!("{options}/plain/{}", utf8_percent_encode(&arguments.url, IN_PATH)),
        false => format!("{options}/{}", URL_SAFE_NO_PAD.encode(&arguments.url)),
    }
}
