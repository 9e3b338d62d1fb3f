//! How many connections each address has open: one client must not take all that there are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::options::Options;

/// The share of all connections that one address may have open: one of so many.
const SHARE: usize = 4;

/// The connections that are open, by the address of the client.
pub struct Clients {
    /// Most of an address, where it is said.
    given: Option<usize>,
    /// Most of an address of another machine, where it is not; `None` behind a proxy, from which all clients come.
    usual: Option<usize>,
    open: Mutex<HashMap<IpAddr, Open>>,
}

#[derive(Default)]
struct Open {
    connections: usize,
    /// Whether the log has said that more were turned away, since it had none.
    is_noted: bool,
}

/// A connection that counts until it is dropped.
pub struct Admitted {
    clients: Arc<Clients>,
    of: IpAddr,
}

impl Clients {
    pub fn new(options: &Options) -> Clients {
        let usual = (options.connections / SHARE).max(1);
        Clients { given: options.per_address, usual: options.public.is_none().then_some(usual), open: Mutex::default() }
    }

    /// Counts a connection; `None` if its client has as many open as it may.
    pub fn admit(self: &Arc<Clients>, address: IpAddr) -> Option<Admitted> {
        let of = client(address);
        let most = self.given.or(self.usual.filter(|_| !of.is_loopback())).unwrap_or(usize::MAX);
        let mut all = self.all();
        let open = all.entry(of).or_default();
        if open.connections < most {
            open.connections += 1;
            return Some(Admitted { clients: self.clone(), of });
        }
        if !std::mem::replace(&mut open.is_noted, true) {
            tracing::warn!("serve: {of} has {most} connections open; more are closed (--connections-per-address)");
        }
        None
    }

    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut all = self.clients.all();
        if let Some(open) = all.get_mut(&self.of) {
            open.connections -= 1;
            if open.connections == 0 {
                all.remove(&self.of);
            }
        }
    }
}

/// Whose address it is: of IPv6 the network of 64 bits, all of whose addresses one machine can take.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(connections: usize, per_address: Option<usize>, public: Option<&str>) -> Arc<Clients> {
        let options = Options::on("0.0.0.0:8080".parse().unwrap());
        let public = public.map(|public| public.parse().unwrap());
        Arc::new(Clients::new(&Options { connections, per_address, public, ..options }))
    }

    /// How many of ten connections are taken.
    fn taken(clients: &Arc<Clients>, address: &str) -> usize {
        let all: Vec<_> = (0..10).map(|_| clients.admit(address.parse().unwrap())).collect();
        all.iter().flatten().count()
    }

    #[test]
    fn an_address_has_a_share_of_all_connections() {
        let usual = clients(12, None, None);
        assert_eq!([taken(&usual, "192.0.2.1"), taken(&usual, "192.0.2.2"), taken(&usual, "127.0.0.1")], [3, 3, 10]);
        assert_eq!(
            [taken(&usual, "::1"), taken(&usual, "::ffff:127.0.0.1"), taken(&usual, "2001:db8::1")],
            [10, 10, 3]
        );
        let held: Vec<_> = (0..3).filter_map(|_| usual.admit("192.0.2.1".parse().unwrap())).collect();
        assert_eq!([held.len(), taken(&usual, "::ffff:192.0.2.1"), taken(&usual, "192.0.2.2")], [3, 0, 3]);
        let network: Vec<_> = (0..9).filter_map(|at| usual.admit(format!("2001:db8::{at}").parse().unwrap())).collect();
        assert_eq!([network.len(), taken(&usual, "2001:db8:0:1::1")], [3, 3]);
        // What is closed makes room, and leaves nothing behind.
        drop((held, network));
        assert_eq!([taken(&usual, "192.0.2.1"), usual.all().len()], [3, 0]);
        // Behind a proxy all come from one address; what is given holds for each.
        assert_eq!(taken(&clients(12, None, Some("https://m.example")), "192.0.2.1"), 10);
        let given = clients(12, Some(2), Some("https://m.example"));
        assert_eq!([taken(&given, "192.0.2.1"), taken(&given, "127.0.0.1")], [2, 2]);
    }
}
