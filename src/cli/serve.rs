//! `bytefit serve`: the HTTP service until SIGTERM or SIGINT.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use socket2::{Domain, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};

use super::{BAD_USAGE, FAILED, environment, fail};
use crate::settings::{Flags, Settings};
use crate::{app, http, sandbox, telemetry};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// TOML file of settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on: 127.0.0.1:8080, localhost:8080, or :8080 for every address
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
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(FAILED, &reason),
    }
}

/// Opens the door, shuts all others, and only then starts threads.
fn serve(settings: Settings) -> Result<(), String> {
    let address = settings.server.listen;
    let listener = listen(address, settings.server.max_connections)
        .map_err(|error| format!("can't listen on {address}: {error}"))?;
    if settings.server.sandbox {
        enter_sandbox()?;
    } else {
        tracing::warn!("no sandbox: server.sandbox is false");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime can't start: {error}"))?;
    runtime.block_on(serve_on(listener, settings))
}

/// Listens; as many connections as may be open wait in the system's queue, where std lets 128: one that finds no place
/// in it seems open to its client and is not.
fn listen(address: SocketAddr, max_connections: usize) -> io::Result<TcpListener> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    listener.set_send_buffer_size(http::SEND_BUFFER)?;
    listener.bind(&address.into())?;
    listener.listen(max_connections.try_into().unwrap_or(i32::MAX))?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

fn enter_sandbox() -> Result<(), String> {
    let held = sandbox::enter()
        .map_err(|error| format!("the sandbox can't be put up: {error}; server.sandbox = false serves without it"))?;
    let (landlock, seccomp) = (held.landlock.name(), held.seccomp.name());
    if held.is_whole() {
        tracing::info!(landlock, seccomp, "sandboxed: no files written, no programs started, no connections opened");
    } else {
        tracing::warn!(landlock, seccomp, "the kernel lacks parts of the sandbox");
    }
    Ok(())
}

async fn serve_on(listener: TcpListener, settings: Settings) -> Result<(), String> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
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
