//! `bytefit serve`: the HTTP service until SIGTERM or SIGINT.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{BAD_USAGE, FAILED, environment, fail};
use crate::settings::{Flags, Settings};
use crate::{app, telemetry};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// TOML file of settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let flags = Flags { listen: arguments.listen.clone() };
    let settings = match Settings::load(arguments.config.as_deref(), environment(), &flags) {
        Ok(settings) => settings,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    if let Err(error) = telemetry::install(&settings.log, std::env::var("RUST_LOG").ok().as_deref()) {
        return fail(BAD_USAGE, &format!("log level: {error}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &format!("the runtime can't start: {error}")),
    };
    match runtime.block_on(serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(FAILED, &reason),
    }
}

async fn serve(settings: Settings) -> Result<(), String> {
    let address = settings.server.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| format!("can't listen on {address}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    let shutdown = stop_signal().map_err(|error| format!("can't watch for signals: {error}"))?;
    tracing::info!(
        address = %bound,
        version = env!("CARGO_PKG_VERSION"),
        "serving; try: curl --data-binary @photo.jpg 'http://{bound}/compress?target=80KB' -o photo.webp"
    );
    app::serve(settings, listener, shutdown).await.map_err(|error| error.to_string())
}

/// Completes at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        }
    })
}
