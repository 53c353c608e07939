//! The sandbox from within: what it forbids fails, what serving takes works. It holds for good, so that the test runs
//! itself again as a process of its own.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use bytefit::sandbox::{self, Hold};

#[test]
fn what_it_forbids_fails_and_what_serving_takes_works() {
    let itself = std::env::current_exe().unwrap();
    let output = Command::new(itself).args(["--exact", "inside", "--ignored", "--test-threads", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "locks its process in: started by the test above"]
fn inside() {
    let folder = tempfile::tempdir().unwrap().keep();
    let kept = folder.join("kept");
    fs::write(&kept, "here before").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Connected before, and accepted after.
    let mut client = TcpStream::connect(address).unwrap();

    let held = sandbox::enter().unwrap();
    assert_eq!(held.seccomp, Hold::Full, "every kernel of the last ten years has it");

    // On a thread that is started after.
    std::thread::spawn(move || {
        let denied = |what: &str, error: std::io::Error| {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
        };
        denied("a program", Command::new("/bin/true").status().unwrap_err());
        denied("a new file", fs::File::create(folder.join("new")).unwrap_err());
        denied("writing", fs::OpenOptions::new().append(true).open(&kept).unwrap_err());
        denied("removing", fs::remove_file(&kept).unwrap_err());
        denied("renaming", fs::rename(&kept, folder.join("other")).unwrap_err());
        denied("a folder", fs::create_dir(folder.join("folder")).unwrap_err());
        denied("a connection", TcpStream::connect(address).unwrap_err());
        denied("another door", TcpListener::bind("127.0.0.1:0").unwrap_err());

        assert_eq!(fs::read_to_string(&kept).unwrap(), "here before");
        assert!(!fs::read_to_string("/proc/self/stat").unwrap().is_empty());
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"served").unwrap();
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "served");
    })
    .join()
    .unwrap();
}
