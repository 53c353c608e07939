//! Rights that processes give up. The serving process can't start programs, and writes files and opens connections only
//! where its configuration says so ([`Rights`]). A worker, which runs codecs, has nothing but its memory and one stream
//! to the server.
//!
//! Linux has two mechanisms for this, and each is used if the kernel has it: Landlock restricts access to files and
//! outgoing connections, seccomp restricts system calls. Both apply to every thread that starts later and can't be
//! undone.

use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod allowed_calls;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
pub mod worker;

#[cfg(target_os = "linux")]
pub use server::{SandboxError, enter};

/// What the serving process keeps, by its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Ports, of any host, to which connections may be opened. With any of them, name servers may be asked too.
    pub ports: Vec<u16>,
    /// Folders below which files may be written and removed, and folders made.
    pub folders: Vec<PathBuf>,
}

/// Which parts of the sandbox are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Restrictions on files, TCP connections and signals.
    pub landlock: Enforcement,
    /// Restrictions on system calls.
    pub seccomp: Enforcement,
}

/// How much of a mechanism is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Every restriction that was requested.
    Full,
    /// The kernel has only some of the requested restrictions.
    Partial,
    /// The kernel does not have the mechanism.
    None,
}

impl Enforcement {
    /// The name in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Enforcement::Full => "full",
            Enforcement::Partial => "partial",
            Enforcement::None => "none",
        }
    }
}

impl Sandbox {
    /// Whether both mechanisms are fully in force.
    pub fn is_complete(self) -> bool {
        self.landlock == Enforcement::Full && self.seccomp == Enforcement::Full
    }
}

/// Does nothing: this system has no sandbox.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn enter(_: &Rights) -> Result<Sandbox, std::convert::Infallible> {
    Ok(Sandbox { landlock: Enforcement::None, seccomp: Enforcement::None })
}
