//! Attempts that would do something if they were let in, with what was open before the sandbox was entered.
#![expect(unsafe_code, reason = "attempts are system calls")]

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use socket2::{Domain, MsgHdr, SockAddr, Socket, Type};

/// The first number of a call that is answered as by a kernel without it.
const FIRST_NEW: i64 = 424;

/// Attempts made, and those that the sandbox did not refuse.
#[derive(Default)]
pub(crate) struct Attempts {
    made: usize,
    let_in: Vec<String>,
}

impl Attempts {
    /// Makes a system call.
    pub(crate) fn call(&mut self, name: &str, number: i64, arguments: [i64; 6]) {
        let refusal = if (FIRST_NEW..512).contains(&number) { libc::ENOSYS } else { libc::EPERM };
        self.count(name, call(number, arguments), refusal);
    }

    /// Takes down what came of an attempt.
    pub(crate) fn made<T>(&mut self, name: &str, result: io::Result<T>) {
        self.count(name, result, libc::EPERM);
    }

    fn count<T>(&mut self, name: &str, result: io::Result<T>, refusal: i32) {
        self.made += 1;
        match result {
            Err(error) if error.raw_os_error() == Some(refusal) => {}
            Err(error) => self.let_in.push(format!("{name}: {error}")),
            Ok(_) => self.let_in.push(format!("{name}: DONE")),
        }
    }

    pub(crate) fn all_refused(&self) {
        let Attempts { made, let_in } = self;
        assert!(let_in.is_empty(), "{} of {made} were let in:\n{}", let_in.len(), let_in.join("\n"));
    }
}

/// A system call, its arguments as they stand.
pub(crate) fn call(number: i64, [a, b, c, d, e, f]: [i64; 6]) -> io::Result<i64> {
    // SAFETY: no argument that a test here gives is the address of memory that a call writes to.
    let returned = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// A folder with a file in it.
pub(crate) struct Files {
    folder: PathBuf,
    kept: PathBuf,
    open: fs::File,
    modified: SystemTime,
}

const CONTENT: &str = "here before";

impl Files {
    pub(crate) fn new() -> Files {
        let folder = tempfile::tempdir().unwrap().keep();
        let kept = folder.join("kept");
        fs::write(&kept, CONTENT).unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).unwrap();
        let open = fs::OpenOptions::new().read(true).write(true).open(&kept).unwrap();
        let modified = open.metadata().unwrap().modified().unwrap();
        Files { folder, kept, open, modified }
    }

    pub(crate) fn attempt(&self, attempts: &mut Attempts) {
        let new = self.folder.join("new");
        attempts.made("a new file", fs::File::create(&new));
        attempts.made("appending", fs::OpenOptions::new().append(true).open(&self.kept));
        attempts.made("reading and writing", fs::OpenOptions::new().read(true).write(true).open(&self.kept));
        attempts.made("emptying by O_RDONLY | O_TRUNC", open(&self.kept, libc::O_RDONLY | libc::O_TRUNC));
        attempts.made("making by O_RDONLY | O_CREAT", open(&new, libc::O_RDONLY | libc::O_CREAT));
        attempts.made("a file without a name", open(&self.folder, libc::O_TMPFILE | libc::O_RDWR));
        attempts.made("cutting what is open", self.open.set_len(0));
        attempts.made("removing", fs::remove_file(&self.kept));
        attempts.made("renaming", fs::rename(&self.kept, &new));
        attempts.made("a hard link", fs::hard_link(&self.kept, &new));
        attempts.made("a symbolic link", std::os::unix::fs::symlink(&self.kept, &new));
        attempts.made("a folder", fs::create_dir(&new));
        attempts.made("permissions", fs::set_permissions(&self.kept, fs::Permissions::from_mode(0o777)));
        attempts.made("permissions of what is open", self.open.set_permissions(fs::Permissions::from_mode(0o777)));
        attempts.made("owner", std::os::unix::fs::chown(&self.kept, Some(1), Some(1)));
        attempts.made("owner of what is open", std::os::unix::fs::fchown(&self.open, Some(1), Some(1)));
        attempts.made("times", self.open.set_modified(SystemTime::UNIX_EPOCH));
        attempts.made("an extended attribute", set_attribute(&self.open));
    }

    /// What a server that may write in another folder attempts in this one, also by `linked`, a link from there.
    pub(crate) fn attempt_outside(&self, linked: &Path, attempts: &mut Attempts) {
        for folder in [&self.folder, linked] {
            let (kept, new) = (folder.join("kept"), folder.join("new"));
            // Landlock answers with EACCES.
            attempts.count("a new file outside", fs::File::create(&new), libc::EACCES);
            attempts.count("writing outside", fs::OpenOptions::new().write(true).open(&kept), libc::EACCES);
            attempts.count("emptying outside", open(&kept, libc::O_RDONLY | libc::O_TRUNC), libc::EACCES);
            attempts.count("removing outside", fs::remove_file(&kept), libc::EACCES);
            attempts.count("renaming outside", fs::rename(&kept, &new), libc::EACCES);
            attempts.count("a hard link outside", fs::hard_link(&kept, &new), libc::EACCES);
            attempts.count("a folder outside", fs::create_dir(&new), libc::EACCES);
        }
        // Landlock's answer where what is linked would come into another folder.
        let linked_inside = fs::hard_link(self.folder.join("kept"), linked.with_file_name("another"));
        attempts.count("a hard link of a file outside", linked_inside, libc::EXDEV);
        attempts.made("a symbolic link", std::os::unix::fs::symlink(&self.kept, linked.with_file_name("another")));
        attempts.made("permissions", fs::set_permissions(linked, fs::Permissions::from_mode(0o777)));
        attempts.made("cutting what is open", self.open.set_len(0));
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn are_as_before(&self) {
        assert_eq!(fs::read_to_string(&self.kept).unwrap(), CONTENT);
        assert_eq!(fs::read_dir(&self.folder).unwrap().count(), 1);
        let metadata = fs::metadata(&self.kept).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert_eq!(metadata.modified().unwrap(), self.modified);
    }
}

fn open(path: &std::path::Path, flags: i32) -> io::Result<()> {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the path ends with a zero.
    let opened = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    if opened == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_attribute(file: &fs::File) -> io::Result<()> {
    // SAFETY: the name ends with a zero, the value has the length that is given.
    let set = unsafe { libc::fsetxattr(file.as_raw_fd(), c"user.left".as_ptr(), c"x".as_ptr().cast(), 1, 0) };
    if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sockets of every kind, not connected; and those who would hear of them.
pub(crate) struct Network {
    tcp: Socket,
    listener: TcpListener,
    udp: UdpSocket,
    udp_ear: UdpSocket,
    unix: UnixDatagram,
    unix_ear: UnixDatagram,
    unix_path: PathBuf,
    pair: (UnixStream, UnixStream),
    accepted: TcpStream,
}

impl Network {
    pub(crate) fn new() -> Network {
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = TcpListener::bind(here).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        listener.set_nonblocking(true).unwrap();
        accept_data_with_the_first_packet(&listener);
        let udp_ear = UdpSocket::bind(here).unwrap();
        udp_ear.set_nonblocking(true).unwrap();
        let unix_path = tempfile::tempdir().unwrap().keep().join("ear");
        let unix_ear = UnixDatagram::bind(&unix_path).unwrap();
        unix_ear.set_nonblocking(true).unwrap();
        Network {
            tcp: Socket::new(Domain::IPV4, Type::STREAM, None).unwrap(),
            listener,
            udp: UdpSocket::bind(here).unwrap(),
            udp_ear,
            unix: UnixDatagram::unbound().unwrap(),
            unix_ear,
            unix_path,
            pair: UnixStream::pair().unwrap(),
            accepted,
        }
    }

    pub(crate) fn attempt(&self, attempts: &mut Attempts) {
        self.open(attempts);
        self.send(attempts);
        let (pair, _) = &self.pair;
        attempts.made("a signal for a socket", own(pair, libc::F_SETOWN));
        attempts.made("an option that connects", set_option(&self.tcp, libc::TCP_FASTOPEN_CONNECT));
        attempts.made("an option that restores", set_option(&self.accepted, libc::TCP_REPAIR));
    }

    fn open(&self, attempts: &mut Attempts) {
        let address = self.listener.local_addr().unwrap();
        attempts.made("a connection", TcpStream::connect(address));
        attempts.made("another listener", TcpListener::bind("127.0.0.1:0"));
        attempts.made("a UDP socket", UdpSocket::bind("127.0.0.1:0"));
        attempts.made("a Unix socket", UnixStream::connect(&self.unix_path));
        attempts.made("a Unix datagram socket", UnixDatagram::unbound());
        for (name, family) in [
            ("a Bluetooth socket", libc::AF_BLUETOOTH),
            ("a netlink socket", libc::AF_NETLINK),
            ("a packet socket", libc::AF_PACKET),
            ("a socket of the kernel's ciphers", libc::AF_ALG),
            ("a socket of virtual machines", libc::AF_VSOCK),
        ] {
            attempts.call(name, libc::SYS_socket, [i64::from(family), i64::from(libc::SOCK_DGRAM), 0, 0, 0, 0]);
        }
        let internet = [i64::from(libc::AF_INET), i64::from(libc::SOCK_DGRAM), 0, 0, 0, 0];
        attempts.call("a pair of internet sockets", libc::SYS_socketpair, internet);
        attempts.made("connecting a socket from before", self.tcp.connect(&address.into()));
        attempts.made("connecting a UDP socket from before", self.udp.connect(self.udp_ear.local_addr().unwrap()));
        attempts.made("connecting a Unix socket from before", self.unix.connect(&self.unix_path));
        attempts.made("listening on a socket from before", self.tcp.listen(1));
    }

    fn send(&self, attempts: &mut Attempts) {
        let address = SockAddr::from(self.listener.local_addr().unwrap());
        let fast = self.tcp.send_to_with_flags(b"out", &address, libc::MSG_FASTOPEN);
        attempts.made("TCP Fast Open by sendto", fast);
        attempts.made("MSG_FASTOPEN without an address", self.tcp.send_with_flags(b"out", libc::MSG_FASTOPEN));
        attempts.made("UDP by sendto", self.udp.send_to(b"out", self.udp_ear.local_addr().unwrap()));
        attempts.made("a Unix datagram to a path", self.unix.send_to(b"out", &self.unix_path));
        let udp = socket2::SockRef::from(&self.udp);
        let to_udp = SockAddr::from(self.udp_ear.local_addr().unwrap());
        let parts = [io::IoSlice::new(b"out")];
        attempts.made("UDP by sendmsg", udp.sendmsg(&MsgHdr::new().with_addr(&to_udp).with_buffers(&parts), 0));
        let fast = MsgHdr::new().with_addr(&address).with_buffers(&parts);
        attempts.made("TCP Fast Open by sendmsg", self.tcp.sendmsg(&fast, libc::MSG_FASTOPEN));
    }

    pub(crate) fn is_silent(&self) {
        let mut heard = [0; 8];
        let nothing = Some(io::ErrorKind::WouldBlock);
        assert_eq!(self.listener.accept().err().map(|error| error.kind()), nothing);
        assert_eq!(self.udp_ear.recv(&mut heard).err().map(|error| error.kind()), nothing);
        assert_eq!(self.unix_ear.recv(&mut heard).err().map(|error| error.kind()), nothing);
    }
}

/// So that TCP Fast Open would get somewhere, where the system allows a server to take it.
fn accept_data_with_the_first_packet(listener: &TcpListener) {
    set_option(listener, libc::TCP_FASTOPEN).unwrap();
}

/// Sets an option of TCP to 1.
fn set_option(socket: &impl AsRawFd, option: i32) -> io::Result<()> {
    let one = 1_i32;
    let (pointer, length) = ((&raw const one).cast(), size_of_val(&one) as libc::socklen_t);
    // SAFETY: the pointer is to a live value of that length.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, pointer, length) };
    if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Names the process that the kernel signals when something comes in.
fn own(socket: &UnixStream, command: i32) -> io::Result<()> {
    // SAFETY: plain numbers.
    let set = unsafe { libc::fcntl(socket.as_raw_fd(), command, libc::getppid()) };
    if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn processes(attempts: &mut Attempts) {
    let parent = i64::from(std::os::unix::process::parent_id());
    let own = i64::from(std::process::id());
    attempts.made("a program", Command::new("/bin/true").status());
    attempts.made("a process by clone", child(0));
    for (name, namespace) in [
        ("users", libc::CLONE_NEWUSER),
        ("processes", libc::CLONE_NEWPID),
        ("mounts", libc::CLONE_NEWNS),
        ("networks", libc::CLONE_NEWNET),
        ("queues", libc::CLONE_NEWIPC),
        ("names", libc::CLONE_NEWUTS),
        ("control groups", libc::CLONE_NEWCGROUP),
    ] {
        attempts.made(&format!("a process in a namespace of {name}"), child(namespace));
        attempts.call(&format!("a namespace of {name}"), libc::SYS_unshare, [i64::from(namespace), 0, 0, 0, 0, 0]);
    }
    // Signal 0 only asks whether it would be allowed.
    attempts.call("signalling the parent", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]);
    attempts.call("signalling all processes", libc::SYS_kill, [-1, 0, 0, 0, 0, 0]);
    attempts.call("signalling the parent's thread", libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0]);
    attempts.call("signalling a thread of any process", libc::SYS_tkill, [parent, 0, 0, 0, 0, 0]);
    attempts.call("a handle on the parent", libc::SYS_pidfd_open, [parent, 0, 0, 0, 0, 0]);
    attempts.call("more files", libc::SYS_prlimit64, [0, i64::from(libc::RLIMIT_NOFILE), 1, 0, 0, 0]);
    attempts.call("being traced", libc::SYS_ptrace, [0; 6]);
    attempts.call("being dumped", libc::SYS_prctl, [i64::from(libc::PR_SET_DUMPABLE), 1, 0, 0, 0, 0]);
    attempts.call("users by setreuid", libc::SYS_setreuid, [-1, -1, 0, 0, 0, 0]);
    assert!(call(libc::SYS_tgkill, [own, call(libc::SYS_gettid, [0; 6]).unwrap(), 0, 0, 0, 0]).is_ok(), "itself");
}

/// A process that ends at once.
fn child(flags: i32) -> io::Result<()> {
    let made = call(libc::SYS_clone, [i64::from(flags | libc::SIGCHLD), 0, 0, 0, 0, 0])?;
    if made == 0 {
        // SAFETY: ends this process and nothing else.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(made as i32, std::ptr::null_mut(), 0) };
    Ok(())
}

pub(crate) fn memory(attempts: &mut Attempts) {
    let anonymous = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let code = i64::from(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
    attempts.call("memory for code", libc::SYS_mmap, [0, 4096, code, anonymous, -1, 0]);
    let plain = call(libc::SYS_mmap, [0, 4096, i64::from(libc::PROT_READ), anonymous, -1, 0]).unwrap();
    attempts.call("memory that becomes code", libc::SYS_mprotect, [plain, 4096, code, 0, 0, 0]);
    attempts.call("the same by a key", libc::SYS_pkey_mprotect, [plain, 4096, code, -1, 0, 0]);
    attempts.call("typing into the terminal", libc::SYS_ioctl, [0, libc::TIOCSTI as i64, plain, 0, 0, 0]);
    let shared = [i64::from(libc::IPC_PRIVATE), 4096, 0o600, 0, 0, 0];
    attempts.call("shared memory", libc::SYS_shmget, shared);
}
