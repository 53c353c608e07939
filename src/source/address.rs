//! Which addresses may be asked for a picture: those of the public internet, and of private networks where the
//! configuration says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::own::own_addresses;

/// Whom an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// A host on the public internet.
    Public,
    /// A host of a private network, or this machine.
    Private,
    /// No host that serves pictures: metadata services of clouds, groups, documentation, addresses inside of others.
    Special,
}

/// Blocks of IPv4 that are not public, by the IANA IPv4 Special-Purpose Address Registry, with RFC 1112 for groups.
/// Blocks that relay or sink traffic (6to4, AMT, AS112) are no hosts and count as special.
const SPECIAL_V4: &[(Ipv4Addr, u32, Reach)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Special),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Special),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Special),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Special),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Reach::Special),
    (Ipv4Addr::new(192, 52, 193, 0), 24, Reach::Special),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Special),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, Reach::Special),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Special),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Special),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Special),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Special),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Special),
];

/// The shared address of Alibaba Cloud's metadata service, inside of a private block.
const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// The metadata service of AWS over IPv6 (EC2 User Guide, "Instance metadata"), inside of a private block.
const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Blocks of IPv6 inside of 2000::/3 that are not public, by the IANA IPv6 Special-Purpose Address Registry: protocol
/// assignments with Teredo, documentation, 6to4, AS112.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whom `address` belongs to. A public address of this machine is not the internet's: what listens there may think so.
pub(super) fn reach(address: IpAddr) -> Reach {
    reach_from(address, own_addresses())
}

/// Whom `address` belongs to, seen from a machine that has the addresses `own`.
fn reach_from(address: IpAddr, own: &[IpAddr]) -> Reach {
    match registered(address) {
        Reach::Public if own.contains(&address) => Reach::Private,
        reach => reach,
    }
}

/// Whom the registries say that `address` belongs to.
fn registered(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if address == ALIBABA_METADATA {
        return Reach::Special;
    }
    let covers = |block: Ipv4Addr, length: u32| (address.to_bits() ^ block.to_bits()) >> (32 - length) == 0;
    SPECIAL_V4.iter().find(|(block, length, _)| covers(*block, *length)).map_or(Reach::Public, |(.., reach)| *reach)
}

/// Only 2000::/3 is given to hosts of the internet (RFC 4291 s2.4). All else is private or special: mapped and
/// compatible addresses, NAT64, site-local, link-local, groups.
fn reach_v6(address: Ipv6Addr) -> Reach {
    let covers = |block: Ipv6Addr, length: u32| (address.to_bits() ^ block.to_bits()) >> (128 - length) == 0;
    if address == AWS_METADATA {
        return Reach::Special;
    }
    if address == Ipv6Addr::LOCALHOST || address.is_unique_local() {
        return Reach::Private;
    }
    let is_unicast = covers(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    let is_special = SPECIAL_V6.iter().any(|(block, length)| covers(*block, *length));
    if is_unicast && !is_special && !is_isatap(address) { Reach::Public } else { Reach::Special }
}

/// Whether the address carries an IPv4 address for ISATAP: 0:5efe or 200:5efe before it (RFC 5214 s6.1).
fn is_isatap(address: Ipv6Addr) -> bool {
    let [.., before, mark, _, _] = address.segments();
    mark == 0x5efe && (before == 0 || before == 0x200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn hosts_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00::1",
            "2001:200::1",
        ] {
            assert_eq!(of(address), Reach::Public, "{address}");
        }
    }

    #[test]
    fn a_public_address_of_this_machine_is_private() {
        let own: Vec<IpAddr> = ["8.8.8.8", "2a00::1", "169.254.1.1"].map(|address| address.parse().unwrap()).to_vec();
        let of = |text: &str| reach_from(text.parse().unwrap(), &own);
        assert_eq!(["8.8.8.8", "2a00::1"].map(of), [Reach::Private; 2]);
        assert_eq!(["8.8.8.9", "2a00::2"].map(of), [Reach::Public; 2]);
        assert_eq!(of("169.254.1.1"), Reach::Special);
    }

    #[test]
    fn private_networks_and_this_machine_are_private() {
        for address in [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "127.0.0.1",
            "127.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
        ] {
            assert_eq!(of(address), Reach::Private, "{address}");
        }
    }

    #[test]
    fn every_other_registered_block_is_special() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.175.48.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "fd00:ec2::254",
            "::",
            "::2",
            "::ffff:1.1.1.1",
            "::ffff:127.0.0.1",
            "::1.1.1.1",
            "::127.0.0.1",
            "64:ff9b::1.1.1.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:101:101::",
            "2620:4f:8000::1",
            "3fff::1",
            "5f00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2a00::5efe:7f00:1",
            "2a00::200:5efe:a00:1",
        ] {
            assert_eq!(of(address), Reach::Special, "{address}");
        }
    }
}
