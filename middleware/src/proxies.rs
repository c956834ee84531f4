//! Whom to believe about the original client.
//!
//! `Forwarded` and `X-Forwarded-*` are text that anyone can send. They count only as far as they
//! were written by proxies that were named, read from the right.

mod node;

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use self::node::Hop;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How many hops are looked at; more than this is not a chain of proxies.
const MAX_HOPS: usize = 32;

/// The proxies in front of this service, and the headers they write.
///
/// Name one family of headers: a proxy that writes `X-Forwarded-For` passes a client's own
/// `Forwarded` on untouched, so believing both would believe the client.
///
/// ```
/// use campanile_http::TrustedProxies;
///
/// let proxies = TrustedProxies::x_forwarded(["10.0.0.0/8", "::1"])?;
/// # Ok::<(), campanile_http::InvalidProxy>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    family: Family,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    Forwarded,
    XForwarded,
}

/// What trusted proxies said about the original request.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Origin {
    pub(crate) client: Option<IpAddr>,
    pub(crate) is_https: Option<bool>,
    pub(crate) host: Option<String>,
}

impl TrustedProxies {
    /// Believes `X-Forwarded-For`, `-Proto` and `-Host` from these addresses and networks.
    ///
    /// # Errors
    /// When one of them is neither an address nor a network in CIDR notation.
    pub fn x_forwarded<'a>(
        networks: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxy> {
        Self::new(networks, Family::XForwarded)
    }

    /// Believes `Forwarded` (RFC 7239) from these addresses and networks.
    ///
    /// # Errors
    /// When one of them is neither an address nor a network in CIDR notation.
    pub fn forwarded<'a>(
        networks: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxy> {
        Self::new(networks, Family::Forwarded)
    }

    fn new<'a>(
        networks: impl IntoIterator<Item = &'a str>,
        family: Family,
    ) -> Result<Self, InvalidProxy> {
        let parse = |text: &str| {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            address
                .or_else(|_| text.parse::<IpNet>())
                .map(canonical)
                .map_err(|_| InvalidProxy(text.to_owned()))
        };
        let networks = networks.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { networks, family })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// What the headers say, as far as they are believed: nothing unless `peer` is a named proxy.
    pub(crate) fn origin(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Origin {
        match peer {
            Some(peer) if self.trusts(peer) => self.believe(headers),
            _ => Origin::default(),
        }
    }

    fn believe(&self, headers: &HeaderMap) -> Origin {
        let hops = match self.family {
            Family::Forwarded => node::forwarded(headers.get_all(header::FORWARDED)),
            Family::XForwarded => node::x_forwarded(
                headers.get_all(X_FORWARDED_FOR),
                headers.get_all(X_FORWARDED_PROTO),
                headers.get_all(X_FORWARDED_HOST),
            ),
        };
        let mut origin = Origin::default();
        for Hop {
            address,
            is_https,
            host,
        } in hops.into_iter().rev().take(MAX_HOPS)
        {
            // written by a trusted proxy: what it says of its own client is believed
            origin.is_https = is_https.or(origin.is_https);
            origin.host = host.or(origin.host);
            let Some(address) = address else { break };
            origin.client = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        origin
    }
}

/// A network of IPv4 addresses that is written as IPv6, as the addresses are compared.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(network) => network
            .addr()
            .to_ipv4_mapped()
            .zip(network.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped
        .and_then(|(address, prefix)| IpNet::new(address.into(), prefix).ok())
        .unwrap_or(network)
}

/// An entry of a list of trusted proxies is neither an address nor a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidProxy(String);

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid trusted proxy {:?}: expected an address or a network such as 10.0.0.0/8",
            self.0
        )
    }
}

impl std::error::Error for InvalidProxy {}

#[cfg(test)]
mod tests;
