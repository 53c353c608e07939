//! What the serving process gives up before it meets its first client: writing files, starting programs, opening
//! connections of its own. A hole in a codec then leads nowhere. Must not know what the process does.
//!
//! Two locks of Linux, each where the kernel has it: Landlock takes rights over files and outgoing connections,
//! seccomp takes system calls. Both hold for every thread that is started later, for good.

mod filter;
mod server;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use seccompiler::BackendError;

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

/// Why the sandbox could not be put up, on a kernel that has what it takes.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("landlock: {0}")]
    Landlock(#[from] RulesetError),
    #[error("seccomp: {0}")]
    Filter(#[from] BackendError),
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
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

/// Puts up the sandbox around this thread and all that it will start. Files that are open stay so.
///
/// # Errors
/// [`SandboxError`].
pub fn enter() -> Result<Sandbox, SandboxError> {
    let landlock = take_rights()?;
    let seccomp = filter::apply(&server::CALLS)?;
    Ok(Sandbox { landlock, seccomp })
}

/// Landlock: no file is written, made, removed or executed; no TCP connection is opened; no signal is sent to, and no
/// abstract socket reached of, a process outside.
fn take_rights() -> Result<Hold, RulesetError> {
    // The rights that Linux 6.12 knows; an older kernel takes those that it has.
    let abi = ABI::V6;
    let RestrictionStatus { ruleset, .. } = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(abi) | AccessFs::Execute)?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(match ruleset {
        RulesetStatus::FullyEnforced => Hold::Full,
        RulesetStatus::PartiallyEnforced => Hold::Partial,
        RulesetStatus::NotEnforced => Hold::None,
    })
}
