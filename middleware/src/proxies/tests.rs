#![allow(clippy::unwrap_used)]
use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn client(proxies: &TrustedProxies, peer: &str, lines: &[(&'static str, &str)]) -> String {
    let origin = proxies.origin(Some(peer.parse().unwrap()), &headers(lines));
    origin
        .client
        .map_or_else(String::new, |client| client.to_string())
}

#[test]
fn the_client_is_the_first_from_the_right_that_is_no_proxy() {
    let proxies = TrustedProxies::x_forwarded(["10.0.0.0/8", "fd00::/8"]).unwrap();
    for (peer, list, expected) in [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("fd00::1", "203.0.113.7, fd00::2", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, unknown", ""),
        ("10.0.0.1", "203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", ""),
        ("203.0.113.9", "1.2.3.4", ""),
    ] {
        assert_eq!(
            client(&proxies, peer, &[("x-forwarded-for", list)]),
            expected,
            "{peer}: {list:?}"
        );
    }
    let lines = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "203.0.113.7"),
    ];
    assert_eq!(
        client(&proxies, "10.0.0.1", &lines),
        "203.0.113.7",
        "all lines are seen"
    );
}

#[test]
fn forwarded_is_read_as_rfc_7239_says() {
    let proxies = TrustedProxies::forwarded(["10.0.0.0/8"]).unwrap();
    let peer = Some("10.0.0.1".parse().unwrap());
    let origin = |text: &str| proxies.origin(peer, &headers(&[("forwarded", text)]));
    let found = origin(
        r#"for=1.2.3.4, For="[2001:db8:cafe::17]:4711";Proto=HTTPS;host="a.example:8443", for=10.0.0.2;proto=http"#,
    );
    assert_eq!(
        found,
        Origin {
            client: Some("2001:db8:cafe::17".parse().unwrap()),
            is_https: Some(true),
            host: Some("a.example:8443".into()),
        }
    );
    assert_eq!(origin("for=_hidden;proto=https").client, None);
    assert_eq!(origin(r#"for="a,b;c=d";proto=https"#).is_https, Some(true));
    assert_eq!(origin("for=1.2.3.4;host=\"a b\"").host, None);
}

#[test]
fn one_family_does_not_believe_the_other() {
    let proxies = TrustedProxies::x_forwarded(["10.0.0.0/8"]).unwrap();
    assert_eq!(
        client(&proxies, "10.0.0.1", &[("forwarded", "for=1.2.3.4")]),
        ""
    );
    let proxies = TrustedProxies::forwarded(["10.0.0.0/8"]).unwrap();
    assert_eq!(
        client(&proxies, "10.0.0.1", &[("x-forwarded-for", "1.2.3.4")]),
        ""
    );
}

#[test]
fn scheme_and_host_belong_to_the_hop_at_the_same_place_from_the_right() {
    let proxies = TrustedProxies::x_forwarded(["10.0.0.0/8"]).unwrap();
    let lines = headers(&[
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", "evil.example, good.example"),
    ]);
    let origin = proxies.origin(Some("10.0.0.1".parse().unwrap()), &lines);
    assert_eq!(
        (origin.is_https, origin.host.as_deref()),
        (Some(false), Some("good.example"))
    );
}

#[test]
fn a_bad_entry_is_named() {
    let error = TrustedProxies::x_forwarded(["10.0.0.0/8", "proxy.local"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid trusted proxy \"proxy.local\": expected an address or a network such as 10.0.0.0/8"
    );
}

#[test]
fn a_quote_that_a_client_leaves_open_does_not_speak_for_the_proxy_behind_it() {
    let proxies = TrustedProxies::forwarded(["10.0.0.0/8"]).unwrap();
    let peer = Some("10.0.0.1".parse().unwrap());
    // the client wrote up to the quote, the proxy what follows
    let text = r#"proto=https;host=evil.example;for=", for=198.51.100.9;proto=http;host=a.example"#;
    let origin = proxies.origin(peer, &headers(&[("forwarded", text)]));
    assert_ne!(origin.host.as_deref(), Some("evil.example"));
    assert_ne!(origin.is_https, Some(true));
}

#[test]
fn a_network_written_as_mapped_addresses_is_the_network() {
    let proxies = TrustedProxies::x_forwarded(["::ffff:10.0.0.0/104"]).unwrap();
    assert_eq!(
        client(&proxies, "10.0.0.1", &[("x-forwarded-for", "203.0.113.7")]),
        "203.0.113.7"
    );
}
