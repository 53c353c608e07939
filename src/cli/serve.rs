//! `bytefit serve`: runs the HTTP service until SIGTERM or SIGINT.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};

use super::{BAD_USAGE, FAILED, environment, fail};
use crate::engine::{Codecs, WorkersMode};
use crate::sandbox::Rights;
use crate::settings::{Flags, Settings};
use crate::workers::Spawner;
use crate::{app, http, sandbox, telemetry};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// TOML file with the settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on: 127.0.0.1:8080, localhost:8080, or :8080 for every address
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let flags = Flags { listen: arguments.listen.clone() };
    let settings = match Settings::load(arguments.config.as_deref(), environment(), &flags) {
        Ok(settings) => settings,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    if let Err(error) = telemetry::install(&settings.log, std::env::var("RUST_LOG").ok().as_deref()) {
        // The level of the settings is checked when they are loaded.
        return fail(BAD_USAGE, &format!("RUST_LOG: {error}"));
    }
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(FAILED, &reason),
    }
}

/// Time for what still runs when all connections are closed, such as a file that is being written.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// Forks the spawner, listens, enters the sandbox, and only then starts threads: a fork takes one thread and copies
/// open sockets, and the sandbox holds for threads that start after it.
fn serve(settings: Settings) -> Result<(), String> {
    let spawner = start_spawner(settings.engine.workers)?;
    let address = settings.server.listen;
    let listener = listen(address, settings.server.http.max_connections)
        .map_err(|error| format!("can't listen on {address}: {error}"))?;
    if settings.server.sandbox {
        enter_sandbox(&settings.rights())?;
    } else {
        tracing::warn!("not sandboxed: server.sandbox is false");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start the runtime: {error}"))?;
    let served = runtime.block_on(serve_on(listener, spawner, settings));
    // A disk that hangs has threads that never end.
    runtime.shutdown_timeout(LAST_TASKS);
    served
}

/// The spawner of the worker processes. Returns `None` when jobs run on threads.
fn start_spawner(mode: WorkersMode) -> Result<Option<Spawner>, String> {
    if mode == WorkersMode::Threads {
        return Ok(None);
    }
    match Spawner::start(Arc::new(Codecs)) {
        Ok(spawner) => Ok(Some(spawner)),
        Err(error) if mode == WorkersMode::Auto => {
            tracing::warn!(%error, "no sealed worker processes on this system: pictures are worked on in this process");
            Ok(None)
        }
        Err(error) => {
            Err(format!("can't start worker processes: {error}; engine.workers = \"threads\" serves without them"))
        }
    }
}

/// Listens with a queue of `max_connections`. std's queue has 128 entries; a connection that does not fit into the
/// queue seems open to its client and is not.
fn listen(address: SocketAddr, max_connections: usize) -> io::Result<TcpListener> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    listener.set_send_buffer_size(http::SEND_BUFFER)?;
    listener.bind(&address.into())?;
    listener.listen(max_connections.try_into().unwrap_or(i32::MAX))?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

fn enter_sandbox(rights: &Rights) -> Result<(), String> {
    // The sandbox lets folders be written that are there. What can't be made is in the log once it is missed.
    rights.folders.iter().for_each(|folder| drop(fs::create_dir_all(folder)));
    let sandbox = sandbox::enter(rights)
        .map_err(|error| format!("can't enter the sandbox: {error}; server.sandbox = false serves without it"))?;
    let landlock = sandbox.landlock.name();
    let seccomp = sandbox.seccomp.name();
    if sandbox.is_complete() && *rights != Rights::default() {
        let Rights { ports, folders } = rights;
        tracing::info!(
            landlock,
            seccomp,
            ?ports,
            ?folders,
            "sandboxed: this process can't start programs, opens connections to these ports and writes files in these folders only"
        );
    } else if sandbox.is_complete() {
        tracing::info!(
            landlock,
            seccomp,
            "sandboxed: this process can't write files, start programs or open connections"
        );
    } else {
        tracing::warn!(landlock, seccomp, "only a part of the sandbox is in force: the kernel lacks the rest");
    }
    Ok(())
}

async fn serve_on(listener: TcpListener, spawner: Option<Spawner>, settings: Settings) -> Result<(), String> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    let shutdown = stop_signal().map_err(|error| format!("can't watch for signals: {error}"))?;
    tracing::info!(
        address = %bound,
        version = env!("CARGO_PKG_VERSION"),
        "serving; try: curl --data-binary @photo.jpg 'http://{bound}/compress?target=80KB' -o photo.webp"
    );
    app::serve(settings, listener, spawner, shutdown).await.map_err(|error| error.to_string())
}

/// Returns a future that completes at the first SIGTERM or SIGINT.
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
