//! Landlock and seccomp for the serving process.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use seccompiler::BackendError;

use super::{Enforcement, Rights, Sandbox, allowed_calls, filter};

/// Why a kernel that has the mechanisms refused the sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel did not take the Landlock rules.
    #[error("landlock: {0}")]
    Landlock(#[from] RulesetError),
    /// The list of system calls does not make a filter: a bug.
    #[error("seccomp: {0}")]
    Filter(#[from] BackendError),
    /// The kernel did not take the filter.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
}

/// The port of name servers that are asked over TCP, when an answer is too long for UDP (RFC 7766).
const NAME_SERVER_PORT: u16 = 53;

/// Restricts this thread and all threads that it starts later to `rights`. Open files stay open. A folder of them that
/// can't be opened, or is replaced later, is not written.
///
/// # Errors
/// [`SandboxError`].
pub fn enter(rights: &Rights) -> Result<Sandbox, SandboxError> {
    let landlock = enter_landlock(rights)?;
    let seccomp = filter::apply(&allowed_calls::of_server(rights))?;
    Ok(Sandbox { landlock, seccomp })
}

/// Denies executing files, writing, creating and removing them elsewhere, opening TCP connections to other ports,
/// taking TCP ports, and sending signals or connecting to abstract sockets of processes outside the sandbox.
fn enter_landlock(rights: &Rights) -> Result<Enforcement, RulesetError> {
    // The rights of Linux 6.12. With `BestEffort` an older kernel denies those that it has.
    let abi = ABI::V6;
    let RestrictionStatus { ruleset, .. } = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(abi) | AccessFs::Execute)?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(allowed_ports(&rights.ports))?
        .add_rules(allowed_folders(&rights.folders))?
        .restrict_self()?;
    Ok(match ruleset {
        RulesetStatus::FullyEnforced => Enforcement::Full,
        RulesetStatus::PartiallyEnforced => Enforcement::Partial,
        RulesetStatus::NotEnforced => Enforcement::None,
    })
}

/// Rules that let files below `folders` be written.
fn allowed_folders(folders: &[PathBuf]) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    let written: BitFlags<AccessFs> = AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir;
    let open = folders.iter().filter_map(|folder| PathFd::new(folder).ok());
    open.map(move |folder| Ok(PathBeneath::new(folder, written)))
}

/// Rules that let connections to `ports` and to name servers through.
fn allowed_ports(ports: &[u16]) -> impl Iterator<Item = Result<NetPort, RulesetError>> {
    let name_servers = (!ports.is_empty()).then_some(NAME_SERVER_PORT);
    let all = ports.iter().copied().chain(name_servers);
    all.map(|port| Ok(NetPort::new(port, AccessNet::ConnectTcp)))
}
