//! Which addresses a request of ours may go to. Whoever registers a URL chooses a name, and whoever
//! owns the name chooses its addresses: neither may lead into the operator's own network
//! (lesson CVE-2026-55671).

use anyhow::bail;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Not the public internet (the IANA special-purpose registries).
const PRIVATE_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// Everything public lies in this network, and these parts of it are not public.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);
const PRIVATE_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    // 6to4 carries an IPv4 address, and nobody needs it.
    v6([0x2002, 0, 0], 16),
    v6([0x3fff, 0, 0], 20),
];

/// NAT64 (RFC 6052): the last four bytes are the IPv4 address that is reached.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

const fn v4(bytes: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = bytes;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(words: [u16; 3], prefix: u8) -> Ipv6Net {
    let [a, b, c] = words;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Whether an address is on the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !PRIVATE_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !PRIVATE_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// Why an address may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    Public,
    /// The operator named it, or the whole installation is on loopback: plain http will do.
    Named,
}

/// The operator's exceptions.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    networks: Vec<IpNet>,
    /// In lower case.
    hosts: Vec<String>,
    /// The literal hosts of loopback are allowed: the installation itself is on loopback.
    loopback: bool,
    /// Where this server listens itself.
    own: Vec<SocketAddr>,
}

impl Rules {
    /// # Errors
    /// An entry of `allow` is neither an address, nor a network, nor the name of a host.
    pub fn new(allow: &[String], loopback: bool, own: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let mut rules = Self {
            loopback,
            own,
            ..Self::default()
        };
        for entry in allow {
            let bare = entry.trim_start_matches('[').trim_end_matches(']');
            let network = entry
                .parse::<IpNet>()
                .or_else(|_| bare.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) => rules.networks.push(network),
                Err(_) if is_host_name(entry) => rules.hosts.push(entry.to_ascii_lowercase()),
                Err(_) => bail!(
                    "[outbound] allow: {entry:?} is not a host name, an address or a network \
                     such as 10.0.0.0/8"
                ),
            }
        }
        Ok(rules)
    }

    /// Whether a request to `host`, which resolved to `address`, may be made.
    pub fn permit(&self, host: &str, address: SocketAddr) -> Option<Permit> {
        let ip = address.ip().to_canonical();
        if self.is_own(ip, address.port()) {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        let named = self.networks.iter().any(|net| net.contains(&ip))
            || self.hosts.iter().any(|name| name == host)
            || (self.loopback
                && ip.is_loopback()
                && matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        match (named, is_public(ip)) {
            (true, _) => Some(Permit::Named),
            (false, true) => Some(Permit::Public),
            (false, false) => None,
        }
    }

    /// A client must not be able to make this server talk to itself, as a peer on loopback.
    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.iter().any(|own| {
            let here = ip.is_loopback() || ip.is_unspecified();
            port == own.port() && (here || ip == own.ip().to_canonical())
        })
    }
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        // An address that is no address, such as 300.1.2.3, is no name either.
        && !text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.0.1",
            "192.169.0.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ];
        for address in public {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:101:101::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    fn rules(allow: &[&str], loopback: bool) -> Rules {
        let allow: Vec<String> = allow.iter().map(|&text| text.to_owned()).collect();
        Rules::new(&allow, loopback, vec![([127, 0, 0, 1], 7100).into()]).unwrap()
    }

    #[test]
    fn what_the_operator_allows() {
        let named = Some(Permit::Named);
        let table = [
            // allow, on loopback, host, address, may it
            (
                &[][..],
                false,
                "rp.example.com",
                "1.1.1.1:443",
                Some(Permit::Public),
            ),
            (&[], false, "rp.example.com", "10.0.0.1:443", None),
            (&[], false, "localhost", "127.0.0.1:3000", None),
            (&[], true, "localhost", "127.0.0.1:3000", named),
            (&[], true, "localhost.", "[::1]:3000", named),
            (&[], true, "127.0.0.1", "127.0.0.1:3000", named),
            (&[], true, "[::1]", "[::1]:3000", named),
            // A name that somebody else owns does not get there, even on loopback.
            (&[], true, "rp.example.com", "127.0.0.1:3000", None),
            (&[], true, "127.0.0.2", "127.0.0.2:3000", None),
            (&[], true, "localhost", "10.0.0.1:3000", None),
            (
                &["10.0.0.0/8"],
                false,
                "rp.example.com",
                "10.9.9.9:443",
                named,
            ),
            (
                &["10.0.0.0/8"],
                false,
                "rp.example.com",
                "[::ffff:10.9.9.9]:443",
                named,
            ),
            (
                &["10.0.0.0/8"],
                false,
                "rp.example.com",
                "192.168.0.1:443",
                None,
            ),
            (
                &["10.1.2.3"],
                false,
                "rp.example.com",
                "10.1.2.3:443",
                named,
            ),
            (
                &["[fd00::1]"],
                false,
                "rp.example.com",
                "[fd00::1]:443",
                named,
            ),
            (&["RP.internal"], false, "rp.internal", "10.0.0.1:80", named),
            (
                &["rp.internal"],
                false,
                "a.rp.internal",
                "10.0.0.1:80",
                None,
            ),
            (
                &["rp.internal"],
                false,
                "rp.internal.evil.com",
                "10.0.0.1:80",
                None,
            ),
            // Never this server itself, whatever is allowed.
            (
                &["localhost", "127.0.0.0/8", "::/0"],
                true,
                "localhost",
                "127.0.0.1:7100",
                None,
            ),
            (&["localhost"], true, "localhost", "[::1]:7100", None),
            (&["0.0.0.0"], true, "0.0.0.0", "0.0.0.0:7100", None),
        ];
        for (allow, loopback, host, address, expected) in table {
            let permit = rules(allow, loopback).permit(host, address.parse().unwrap());
            assert_eq!(permit, expected, "{allow:?} {host} {address}");
        }
    }

    #[test]
    fn an_entry_that_means_nothing_is_an_error() {
        for bad in [
            "",
            "10.0.0.0/33",
            "300.1.2.3",
            "https://rp.example.com",
            "a b",
            "rp:443",
        ] {
            assert!(
                Rules::new(&[bad.to_owned()], false, Vec::new()).is_err(),
                "{bad}"
            );
        }
    }
}
