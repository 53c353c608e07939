//! What the serving process gives up before it meets its first client: writing files, starting programs, opening
//! connections of its own. A hole in a codec then leads nowhere.
//!
//! Two locks of Linux, each where the kernel has it: Landlock takes rights over files and outgoing connections,
//! seccomp takes system calls. Both hold for every thread that is started later, for good.

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod server;

#[cfg(target_os = "linux")]
pub use linux::{SandboxError, enter};

/// How much of the sandbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub landlock: Hold,
    pub seccomp: Hold,
}

/// How far a lock holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Full,
    /// The kernel knows only some of what was asked for.
    Partial,
    /// The kernel does not have it.
    None,
}

impl Hold {
    /// The word that the log uses.
    pub fn name(self) -> &'static str {
        match self {
            Hold::Full => "full",
            Hold::Partial => "partial",
            Hold::None => "none",
        }
    }
}

impl Sandbox {
    /// Whether all of it holds.
    pub fn is_whole(self) -> bool {
        self.landlock == Hold::Full && self.seccomp == Hold::Full
    }
}

/// There is no sandbox to put up on this system.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn enter() -> Result<Sandbox, std::convert::Infallible> {
    Ok(Sandbox { landlock: Hold::None, seccomp: Hold::None })
}
