//! How many connections may be open, and how long each step of one may take.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Never more connections than this, whatever the process may open.
const MOST_CONNECTIONS: usize = 20_000;
/// Never fewer either: a server that takes nobody is of no use.
const FEWEST_CONNECTIONS: usize = 16;
/// File handles that are not for connections: the database, listeners, outgoing calls, logs.
const RESERVED_HANDLES: usize = 64;

/// The bounds of a listener; a struct, so that tests need not wait ten seconds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Beyond, new connections wait in the kernel's queue.
    pub connections: usize,
    /// Beyond, new connections from the same address are closed at once.
    pub connections_per_address: usize,
    /// Proxies: their addresses stand for everybody behind them and are not counted.
    pub proxies: Vec<IpNet>,
    /// For the TLS handshake, and for each request's headers from accept or from the last answer on.
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    /// How long a peer may take no byte of an answer.
    pub write_timeout: Duration,
    /// Once the server stops, what a peer that sends nothing still gets.
    pub stop_grace: Duration,
    /// Once the server stops, what running requests get.
    pub drain_timeout: Duration,
}

impl Limits {
    /// As many connections as this process may open files for, less what it needs itself.
    pub fn of_this_process(proxies: &[IpNet]) -> Self {
        let connections = std::fs::read_to_string("/proc/self/limits")
            .ok()
            .and_then(|text| open_files(&text))
            .map_or(MOST_CONNECTIONS, connections_for);
        Self {
            connections,
            connections_per_address: connections.div_ceil(4),
            proxies: proxies.to_vec(),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MOST_CONNECTIONS,
            connections_per_address: MOST_CONNECTIONS / 4,
            proxies: Vec::new(),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            stop_grace: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

fn connections_for(handles: usize) -> usize {
    handles
        .saturating_sub(RESERVED_HANDLES)
        .clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS)
}

/// The soft limit in the text of `/proc/self/limits`; `unlimited` is more than anybody needs.
fn open_files(text: &str) -> Option<usize> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

/// Open connections by address.
#[derive(Clone, Debug, Default)]
pub struct ByAddress(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place; given back when it is dropped.
#[derive(Debug)]
pub struct Counted {
    by_address: ByAddress,
    address: IpAddr,
}

impl ByAddress {
    /// `None`: the address has `most` connections already.
    pub fn take(&self, peer: IpAddr, most: usize) -> Option<Counted> {
        let address = network(peer);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Counted {
            by_address: self.clone(),
            address,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self
            .by_address
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// An IPv6 customer has a /64 at least; counting single addresses would be no limit at all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_connections_follows_the_limit_of_open_files() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            256                  524288               files     \n";
        let table = [
            (text.to_owned(), Some(256), 192),
            (text.replace("256 ", "1048576 "), Some(1_048_576), 20_000),
            (text.replace("256 ", "unlimited "), Some(usize::MAX), 20_000),
            (text.replace("256 ", "20 "), Some(20), 16),
        ];
        for (text, handles, connections) in table {
            assert_eq!(open_files(&text), handles, "{text}");
            assert_eq!(connections_for(handles.unwrap()), connections, "{text}");
        }
        assert_eq!(open_files("something else"), None);
    }

    #[test]
    fn an_address_has_its_places_and_gets_them_back() {
        let open = ByAddress::default();
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        let first = open.take(one, 2).unwrap();
        let _second = open.take(same, 2).unwrap();
        assert!(open.take(one, 2).is_none(), "a /64 counts as one");
        assert!(open.take(other, 2).is_some());
        drop(first);
        assert!(open.take(same, 2).is_some());
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        let _mapped = open.take(mapped, 1).unwrap();
        assert!(open.take("192.0.2.1".parse().unwrap(), 1).is_none());
    }
}
