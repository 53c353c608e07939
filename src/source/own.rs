//! The addresses of this machine. A public one is no host of the internet for a service that runs there.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// The addresses that the machine, or the container, had when it was asked first. None where the system does not tell
/// them in files, which Linux does.
static OWN: LazyLock<Vec<IpAddr>> = LazyLock::new(|| {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (table, list) = (read("/proc/net/fib_trie"), read("/proc/net/if_inet6"));
    addresses_v4(&table).map(IpAddr::from).chain(addresses_v6(&list).map(IpAddr::from)).collect()
});

/// The addresses of this machine.
pub(super) fn own_addresses() -> &'static [IpAddr] {
    &OWN
}

/// The addresses in the kernel's table of routes: a line `|-- ADDRESS` before one that says `/32 host LOCAL`.
fn addresses_v4(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let lines = table.lines().map(str::trim);
    lines.clone().zip(lines.skip(1)).filter(|(_, kind)| *kind == "/32 host LOCAL").filter_map(|(address, _)| {
        let address = address.strip_prefix("|-- ")?;
        address.parse().ok()
    })
}

/// The addresses in the kernel's list of interfaces (proc_net(5)): each line begins with 32 hexadecimal digits.
fn addresses_v6(list: &str) -> impl Iterator<Item = Ipv6Addr> {
    let digits = list.lines().filter_map(|line| line.split(' ').next());
    digits.filter_map(|digits| u128::from_str_radix(digits, 16).ok()).map(Ipv6Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_the_addresses_of_this_machine() {
        let table = "Local:\n  +-- 0.0.0.0/0 3 0 5\n        +-- 127.0.0.0/31 1 0 0\n           |-- 127.0.0.0\n              /8 host LOCAL\n\
            \x20          |-- 127.0.0.1\n              /32 host LOCAL\n           |-- 127.255.255.255\n              /32 link BROADCAST\n\
            \x20          |-- 8.8.4.4\n              /32 host LOCAL\n";
        let v4: Vec<String> = addresses_v4(table).map(|address| address.to_string()).collect();
        assert_eq!(v4, ["127.0.0.1", "8.8.4.4"]);
        let list =
            "2a000000000000000000000000000001 04 40 00 82     eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
        let v6: Vec<String> = addresses_v6(list).map(|address| address.to_string()).collect();
        assert_eq!(v6, ["2a00::1", "::1"]);
        assert_eq!((addresses_v4("").count(), addresses_v6("no table").count()), (0, 0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_an_address() {
        assert!(own_addresses().contains(&Ipv4Addr::LOCALHOST.into()), "{:?}", own_addresses());
    }
}
