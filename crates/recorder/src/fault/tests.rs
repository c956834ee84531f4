use std::fmt;
use std::io;

use super::*;

/// An error with a message and a cause.
#[derive(Debug)]
struct Link(&'static str, Option<Box<dyn Error + Send + Sync>>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1
            .as_ref()
            .map(|cause| &**cause as &(dyn Error + 'static))
    }
}

fn chain(message: &'static str, cause: impl Error + Send + Sync + 'static) -> Link {
    Link(message, Some(Box::new(cause)))
}

#[test]
fn faults_are_the_declared_set() {
    let all = [
        Fault::Timeout,
        Fault::Dns,
        Fault::Connect,
        Fault::Tls,
        Fault::Closed,
        Fault::Protocol,
        Fault::Panic,
        Fault::Other,
    ];
    assert_eq!(all.map(Fault::as_str), value::HTTP_CLIENT_FAULTS);
}

#[test]
fn the_most_telling_link_of_the_chain_wins() {
    let timed_out = io::Error::from(ErrorKind::TimedOut);
    let slow = chain(
        "client error (Connect)",
        chain("tcp connect error", timed_out),
    );
    assert_eq!(Fault::of(&slow), Fault::Timeout);
    let unknown = chain("client error (Connect)", io::Error::other("dns error"));
    assert_eq!(Fault::of(&unknown), Fault::Dns);
    let certificate = Link("invalid peer certificate: Expired", None);
    let untrusted = chain("client error (Connect)", io::Error::other(certificate));
    assert_eq!(Fault::of(&untrusted), Fault::Tls);
    let reset = chain(
        "connection error",
        io::Error::from(ErrorKind::ConnectionReset),
    );
    assert_eq!(Fault::of(&reset), Fault::Closed);
}

#[test]
fn what_is_unknown_is_other_and_texts_are_compared_as_a_whole() {
    assert_eq!(Fault::of(&Link("no", None)), Fault::Other);
    assert_eq!(Fault::of(&Link("no dns error here", None)), Fault::Other);
}

#[test]
fn a_chain_without_end_has_one() {
    #[derive(Debug)]
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }
    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Endless)
        }
    }
    assert_eq!(Fault::of(&Endless), Fault::Other);
}
