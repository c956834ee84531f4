//! Whom an outgoing request is counted under: a closed set of targets.
//!
//! The conventions ask for address and port on client metrics, and both come from a URL that a
//! stranger may have chosen (a webhook, a proxy). So the set is capped, as that of routes is: past
//! [`MAX_TARGETS`] everything new is counted as one target. Spans keep the real address.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use campanile_semconv::value;

/// How many different targets a process keeps.
pub const MAX_TARGETS: usize = 1024;

/// No host name is longer (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 255;

/// A server, as metrics name it.
#[derive(Debug, Eq, PartialEq)]
pub struct Target {
    address: Box<str>,
    port: Option<u16>,
}

impl Target {
    /// Finds the target, and makes it when it is new.
    ///
    /// Past the cap, and for what cannot be a host, it is the one whose address is `_OTHER`.
    pub fn find(address: &str, port: Option<u16>) -> &'static Self {
        static TARGETS: LazyLock<RwLock<Targets>> = LazyLock::new(RwLock::default);
        let known = TARGETS
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(address, port);
        known.unwrap_or_else(|| {
            TARGETS
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(address, port)
        })
    }

    /// What everything past the cap is counted under.
    pub fn other() -> &'static Self {
        static OTHER: LazyLock<Target> = LazyLock::new(|| Target {
            address: value::OTHER.into(),
            port: None,
        });
        &OTHER
    }

    /// The value of `server.address`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The value of `server.port`.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// By address, then by port: a look-up needs no copy of the text.
#[derive(Default)]
struct Targets {
    known: HashMap<&'static str, Vec<&'static Target>>,
    count: usize,
}

impl Targets {
    fn get(&self, address: &str, port: Option<u16>) -> Option<&'static Target> {
        let ports = self.known.get(address)?;
        ports.iter().find(|target| target.port == port).copied()
    }

    fn insert(&mut self, address: &str, port: Option<u16>) -> &'static Target {
        if let Some(target) = self.get(address, port) {
            return target;
        }
        let is_host = (1..=MAX_HOST).contains(&address.len());
        if self.count >= MAX_TARGETS || !is_host {
            return Target::other();
        }
        let target: &'static Target = Box::leak(Box::new(Target {
            address: address.into(),
            port,
        }));
        self.known.entry(&target.address).or_default().push(target);
        self.count += 1;
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_made_once_for_each_port() {
        let target = Target::find("example.com", Some(443));
        assert!(std::ptr::eq(target, Target::find("example.com", Some(443))));
        assert_eq!(
            (target.address(), target.port()),
            ("example.com", Some(443))
        );
        assert_ne!(target, Target::find("example.com", Some(80)));
        assert_ne!(target, Target::find("example.org", Some(443)));
    }

    #[test]
    fn past_the_cap_a_new_target_is_other_and_known_ones_stay() {
        let mut targets = Targets::default();
        for i in 0..MAX_TARGETS {
            targets.insert(&format!("{i}.example.com"), None);
        }
        let late = targets.insert("late.example.com", Some(1));
        assert!(std::ptr::eq(late, Target::other()));
        assert_eq!((late.address(), late.port()), ("_OTHER", None));
        assert_eq!(
            targets.insert("7.example.com", None).address(),
            "7.example.com"
        );
        assert_eq!(targets.insert("7.example.com", Some(1)).address(), "_OTHER");
    }

    #[test]
    fn what_cannot_be_a_host_is_other() {
        for address in [String::new(), "x".repeat(256)] {
            assert!(std::ptr::eq(Target::find(&address, None), Target::other()));
        }
    }
}
