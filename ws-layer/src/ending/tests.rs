use super::*;

fn end(note: impl FnOnce(&mut Ending)) -> (Class, Cause, bool) {
    let mut ending = Ending::default();
    note(&mut ending);
    let end = ending.end(Role::Server);
    (end.class, end.cause, end.local)
}

#[test]
fn the_first_close_frame_decides_and_the_echo_changes_nothing() {
    let peer = end(|e| {
        e.received_close(Some(1000));
        e.sent_close(Some(1011));
        e.ended();
    });
    assert_eq!(peer, (Class::Normal, Cause::Client, false));
    let local = end(|e| {
        e.sent_close(Some(4001));
        e.received_close(Some(1000));
    });
    assert_eq!(local, (Class::App, Cause::App, true));
}

#[test]
fn an_order_names_the_cause_of_our_close_only() {
    let ours = end(|e| {
        e.order(Cause::SlowConsumer);
        e.sent_close(Some(3008));
    });
    assert_eq!(ours, (Class::Library, Cause::SlowConsumer, true));
    let theirs = end(|e| {
        e.order(Cause::Drain);
        e.received_close(None);
    });
    assert_eq!(theirs, (Class::NoStatus, Cause::Client, false));
}

#[test]
fn a_silent_end_is_the_network_unless_we_ordered_it() {
    assert_eq!(end(Ending::ended), (Class::Abnormal, Cause::Network, false));
    let heartbeat = end(|e| {
        e.order(Cause::Heartbeat);
        e.ended();
    });
    assert_eq!(heartbeat, (Class::Abnormal, Cause::Heartbeat, true));
}

#[test]
fn failures_have_the_class_of_their_code() {
    let cases = [
        (Failure::Reset, Class::Abnormal, Cause::Network),
        (Failure::Eof, Class::Abnormal, Cause::Network),
        (Failure::Protocol, Class::Protocol, Cause::Error),
        (Failure::InvalidUtf8, Class::Protocol, Cause::Error),
        (Failure::TooBig, Class::TooBig, Cause::Error),
        (Failure::Tls, Class::Tls, Cause::Error),
    ];
    for (failure, class, cause) in cases {
        let found = end(|e| e.broke(failure));
        assert_eq!((found.0, found.1), (class, cause));
    }
}

#[test]
fn misuse_of_the_sink_is_no_end() {
    let mut ending = Ending::default();
    ending.broke(Failure::Misuse);
    assert!(!ending.is_noted());
}

#[test]
fn a_drop_is_the_side_that_dropped_and_a_panic_is_an_error() {
    let mut ending = Ending::default();
    ending.dropped(false);
    assert_eq!(ending.end(Role::Server).cause, Cause::App);
    assert_eq!(ending.end(Role::Client).cause, Cause::Client);
    assert_eq!(end(|e| e.dropped(true)).1, Cause::Error);
}

#[test]
fn both_sides_name_the_same_cause() {
    let mut sent = Ending::default();
    sent.sent_close(Some(1000));
    let mut received = Ending::default();
    received.received_close(Some(1000));
    assert_eq!(
        sent.end(Role::Client).cause,
        received.end(Role::Server).cause
    );
    assert_eq!(
        sent.end(Role::Server).cause,
        received.end(Role::Client).cause
    );
}

#[test]
fn every_error_is_in_the_declared_set() {
    let declared = campanile_semconv::value::WEBSOCKET_END_ERRORS;
    let check = |note: &dyn Fn(&mut Ending)| {
        let mut ending = Ending::default();
        note(&mut ending);
        if let Some(error) = ending.end(Role::Server).error {
            assert!(declared.contains(&error), "{error}");
        }
    };
    for code in 0..5000 {
        check(&|e| e.received_close(Some(code)));
    }
    for cause in Cause::ALL {
        check(&|e| {
            e.order(cause);
            e.ended();
        });
    }
    check(&|e| e.dropped(true));
    check(&|e| e.dropped(false));
    use Failure::*;
    for failure in [Eof, Reset, Protocol, InvalidUtf8, TooBig, Tls] {
        check(&|e| e.broke(failure));
    }
}
