//! The tables of W3C Trace Context Level 2 and W3C Baggage, line by line.

use super::row::{Members, Row, SPAN, TRACE, good};

pub fn traceparent() -> Vec<Row> {
    let parent = |value: &str| Row::parent("", value);
    let mut rows = Vec::new();
    let mut new = |line: &'static str, values: &[String]| {
        rows.extend(values.iter().map(|value| Row {
            line,
            ..parent(value)
        }));
    };
    let tail = format!("{TRACE}-{SPAN}-01");
    let double = format!("{0},{0}", good("01"));
    new(
        "absent, empty, twice, or comma-joined: new trace, tracestate dropped",
        &[String::new(), double],
    );
    new(
        "uppercase hex, `+`, wrong length, missing dash, zero trace id or span id: new trace, tracestate dropped",
        &[
            good("01").to_uppercase(),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            good("0A"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-+{}-01", &SPAN[1..]),
            good("+1"),
            good("1"),
            good("001"),
            good(""),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}0-01"),
            format!("00{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-.{}-{SPAN}-01", &TRACE[1..]),
            good(".0"),
            good("0."),
        ],
    );
    new(
        "version `ff`, or not two lowercase hex digits: new trace",
        &["ff", "FF", "CC", ".0", "0.", "0x", "000", "0000", "0", ""]
            .map(|v| format!("{v}-{tail}")),
    );
    new(
        "version `00` longer than 55 characters (even one `-`): new trace",
        &["-", ".", "-00", "-what-the-future-will-be-like"].map(|end| good("01") + end),
    );
    new(
        "version `01`..`fe`, anything else at offset 55: new trace",
        &[".", "0", ".what-the-future-will-be-like", "0-"].map(|end| format!("cc-{tail}{end}")),
    );
    rows.extend(traceparent_lines());
    rows.extend(traceparent_used());
    rows
}

/// Repeated, absent and misnamed lines.
fn traceparent_lines() -> Vec<Row> {
    let line = "absent, empty, twice, or comma-joined: new trace, tracestate dropped";
    let (one, other) = (good("01"), good("00").replace('4', "5"));
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let parent = "traceparent";
    let state: (&'static str, &[u8]) = ("tracestate", b"a=1");
    let not_ascii = "non-ASCII byte: new trace, tracestate dropped";
    let name = "header names are matched whatever their case, and no other name is";
    vec![
        Row::new(line, &[]),
        Row::new(line, &[state]),
        Row::new(line, &[(parent, one), (parent, one), state]),
        Row::new(line, &[(parent, one), state, (parent, other)]),
        Row::new(line, &[(parent, one), (parent, b""), state]),
        Row::new(not_ascii, &[(parent, b"00-\xff"), state]),
        Row::new(not_ascii, &[(parent, &[one, b"\xe9"].concat()), state]),
        Row::new(not_ascii, &[(parent, one), (parent, b"\xff"), state]),
        Row::new(name, &[("TraceParent", one), ("TRACESTATE", b"a=1")])
            .kept("01")
            .with_state(&[b"a=1"]),
        Row::new(name, &[("trace-parent", one), state]),
        Row::new(name, &[("trace.parent", one), state]),
        Row::new(name, &[(parent, one), ("trace-state", b"a=1")]).kept("01"),
    ]
}

/// Everything that lets the trace go on.
fn traceparent_used() -> Vec<Row> {
    let tail = format!("{TRACE}-{SPAN}-01");
    let future = "version `01`..`fe`, length 55, or `-` at offset 55: use it; write version `00`";
    let trimmed = "leading or trailing space or tab: trimmed";
    let flags = "flags `02`, `03` / `01`, `00` / `ff`: random bit kept, sampled or not / never invented / only known bits go out";
    let mut rows = Vec::new();
    let mut used = |line: &'static str, value: String, flags: &str| {
        rows.push(Row::parent(line, value).kept(flags).with_state(&[b"a=1"]));
    };
    for version in ["01", "0a", "cc", "fe"] {
        used(future, format!("{version}-{tail}"), "01");
    }
    for end in ["-", "-what-the-future-will-be-like", "-\t."] {
        used(future, format!("cc-{tail}{end}"), "01");
    }
    for (before, after) in [
        (" ", ""),
        ("\t", ""),
        ("", " "),
        ("", "\t"),
        ("\t  ", " \t"),
    ] {
        used(trimmed, format!("{before}{}{after}", good("01")), "01");
        used(trimmed, format!("{before}cc-{tail}{after}"), "01");
    }
    for value in ["00", "01", "02", "03", "ff", "fc", "0a"] {
        used(flags, good(value), value);
    }
    rows
}

pub fn tracestate() -> Vec<Row> {
    let mut rows = tracestate_kept();
    let mut dropped = |line: &'static str, lines: &[&[u8]]| rows.push(Row::state(line, lines));
    let nothing = "no state: no header at all";
    dropped(nothing, &[]);
    dropped(nothing, &[b""]);
    dropped(nothing, &[b" ,\t, ", b""]);
    let many: Vec<_> = (0..33).map(|i| format!("bar{i}={i}")).collect();
    let line = "32 members / 33: all kept / whole list dropped";
    dropped(line, &[many.join(",").as_bytes()]);
    dropped(
        line,
        &[
            many[..20].join(",").as_bytes(),
            many[20..].join(",").as_bytes(),
        ],
    );
    let long = |length: usize| [&vec![b'z'; length][..], b"=1"].concat();
    dropped(
        "key of 256 characters / 257: kept / whole list dropped",
        &[b"foo=1", &long(257)],
    );
    let line = "key with uppercase, `.`, `@` first, or a space before `=`: whole list dropped";
    for bad in [
        &b"FOO=1"[..],
        b"fOo=1",
        b"foo.bar=1",
        b"@foo=1",
        b"foo =1",
        b"=1",
        b"foo",
        b"_a=1",
    ] {
        dropped(line, &[&[bad, b",bar=2"].concat()]);
        dropped(line, &[b"bar=2", bad]);
    }
    let line = "value of 256 / 257 characters; empty; `=`, tab or non-ASCII inside: kept / whole list dropped; dropped, never rewritten";
    for bad in [&[b'v'; 257][..], b"", b"bar=baz", b"a\tb", b"a\xe9b"] {
        dropped(line, &[&[b"foo=", bad, b",bar=3"].concat()]);
    }
    rows
}

fn tracestate_kept() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut kept = |line: &'static str, lines: &[&[u8]], members: &[&[u8]]| {
        rows.push(Row::state(line, lines).with_state(members));
    };
    kept(
        "several lines: joined in order, one line out",
        &[b"foo=1,bar=2", b"rojo=1,congo=2", b"baz=3"],
        &[b"foo=1", b"bar=2", b"rojo=1", b"congo=2", b"baz=3"],
    );
    let blank = "empty or blank members, `,,`: ignored, not counted";
    for lines in [
        &[&b"foo=1"[..], b""][..],
        &[b"", b"foo=1"],
        &[b",,foo=1 ,\t,"],
        &[b" foo=1"],
        &[b"\t foo=1 \t"],
    ] {
        kept(blank, lines, &[b"foo=1"]);
    }
    let spaced: &[&[u8]] = &[b"foo=1 \t , \t bar=2,\t \tbaz=3"];
    kept(blank, spaced, &[b"foo=1", b"bar=2", b"baz=3"]);
    let many: Vec<_> = (0..32).map(|i| format!("bar{i}={i}")).collect();
    let bytes: Vec<_> = many.iter().map(|member| member.as_bytes()).collect();
    let line = "32 members / 33: all kept / whole list dropped";
    kept(line, &[many.join(",").as_bytes()], &bytes);
    kept(
        line,
        &[
            many[..9].join(",").as_bytes(),
            many[9..].join(",,").as_bytes(),
        ],
        &bytes,
    );
    let key = "key of 256 characters / 257; `@` anywhere after the first character: kept / whole list dropped; kept";
    let all_of = |key: &[u8], value: &[u8]| [key, b"=", value].concat();
    let longest = all_of(&[b'z'; 256], b"1");
    let tenant = all_of(&[&[b't'; 242][..], b"@v"].concat(), b"1");
    let vendor = all_of(&[b"t@", &[b'v'; 15][..]].concat(), b"1");
    for member in [
        &longest[..],
        &tenant,
        &vendor,
        b"foo@=1",
        b"foo@@bar=1",
        b"foo@bar@baz=1",
        b"0=1",
        b"1a-*/_@=1",
        b"abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/=1",
    ] {
        kept(key, &[b"foo=1", member], &[b"foo=1", member]);
    }
    let value = "value of 256 / 257 characters: kept";
    let longest = all_of(b"foo", &[b'v'; 256]);
    kept(value, &[&longest], &[&longest]);
    let allowed: Vec<u8> = (b' '..=b'~').filter(|byte| !b",=".contains(byte)).collect();
    let allowed = all_of(b"foo", &allowed);
    kept(
        "value with leading spaces: kept byte for byte",
        &[&allowed],
        &[&allowed],
    );
    kept(
        "value with leading spaces: kept byte for byte",
        &[b"foo=   1,bar= 2"],
        &[b"foo=   1", b"bar= 2"],
    );
    let long: Vec<_> = (0..16)
        .map(|i| format!("k{i}={}", "v".repeat(120)))
        .collect();
    let bytes: Vec<_> = long.iter().map(|member| member.as_bytes()).collect();
    kept(
        "over 512 bytes: at least 512 kept; if cut, whole entries",
        &[long.join(",").as_bytes()],
        &bytes,
    );
    let twice = "duplicate keys: keep all or one; the trace stays";
    for lines in [
        &[&b"foo=1,foo=2"[..]][..],
        &[b"foo=1", b"foo=1"],
        &[b"foo=1,bar=3,foo=2"],
    ] {
        let sent = super::row::members(lines);
        rows.push(Row {
            state: Members::Some(sent),
            ..Row::state(twice, lines)
        });
    }
    rows
}

pub fn baggage() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut passes = |line: &'static str, lines: &[&[u8]], members: &[&[u8]]| {
        rows.push(Row::baggage(line, lines).with_baggage(members));
        let parent = good("03");
        let mut below = Row::baggage(line, lines).with_baggage(members).kept("03");
        below.headers.push(("traceparent", parent.into_bytes()));
        rows.push(below);
    };
    let lines = "Propagated with or without a good traceparent; several lines are joined";
    passes(lines, &[b"a=1"], &[b"a=1"]);
    passes(lines, &[b"a=1,b=2", b"", b"c=3"], &[b"a=1", b"b=2", b"c=3"]);
    passes(
        "optional whitespace around `,` trimmed",
        &[b" a=1 ,\tb=2\t"],
        &[b"a=1", b"b=2"],
    );
    let same = "`a=b=c`, `a=`, `a=1;p;q=2;p=3`, `Aa` beside `aA` pass unchanged; keys are tokens, never percent-decoded";
    for member in [
        &b"a=b=c"[..],
        b"a=",
        b"a=1;p;q=2;p=3",
        b"%41=1",
        b"!#$%&'*+-.^_`|~=1",
    ] {
        passes(same, &[member], &[member]);
    }
    passes(
        same,
        &[b"Aa=1,aA=2,a=3,a=4"],
        &[b"Aa=1", b"aA=2", b"a=3", b"a=4"],
    );
    let percent = "`%25`, `%2541`, `%5C`, `%20x%20`, and `%2C` in a property mean the same after a hop and never create a member";
    for member in [
        &b"a=%25"[..],
        b"a=%2541",
        b"a=%5C",
        b"a=%20x%20",
        b"a=1;p=%2Cb%3D2",
        b"a=%2Cb=1",
        b"a=%ff%zz%",
    ] {
        passes(percent, &[member], &[member]);
    }
    let malformed = "A malformed member loses itself only; one bad value never erases the header";
    for bad in [
        &b"b"[..],
        b"=1",
        b"b c=1",
        b"b=\"1\"",
        b"b=1 2",
        b"b=\\",
        b"b=\xff",
        b"\xff=1",
        b"b=1;",
        b"b=1;p q",
        b"b=1;p=\"",
        b"(b)=1",
        b"b=1;=2",
    ] {
        passes(
            malformed,
            &[&[b"a=1,", bad, b",c=3;p"].concat()],
            &[b"a=1", b"c=3;p"],
        );
        passes(malformed, &[b"a=1", bad, b"c=3;p"], &[b"a=1", b"c=3;p"]);
    }
    rows.push(Row::baggage(
        "nothing legal: no header at all",
        &[b"\xff", b",,", b"b"],
    ));
    rows.extend(baggage_limits());
    rows
}

fn baggage_limits() -> Vec<Row> {
    let mut rows = Vec::new();
    let all = "All members go when the resulting string has <= 64 members and <= 8192 bytes over all lines";
    let over = "beyond either limit whole members may go (counted), never a part of one";
    let many = |count: usize| (0..count).map(|i| format!("k{i}={i}")).collect::<Vec<_>>();
    // 64 members of 127 bytes with 63 commas between them, and one byte more
    let full = |more: usize| {
        let member = |i: usize| format!("k{i:02}={}", "v".repeat(123 + usize::from(i == 0) * more));
        (0..64).map(member).collect::<Vec<_>>()
    };
    for members in [many(64), full(1), vec![format!("a={}", "v".repeat(8190))]] {
        assert!(members.join(",").len() <= 8192);
        let bytes: Vec<_> = members.iter().map(|member| member.as_bytes()).collect();
        rows.push(Row::baggage(all, &[members.join(",").as_bytes()]).with_baggage(&bytes));
        rows.push(Row::baggage(all, &bytes).with_baggage(&bytes));
    }
    for members in [
        many(65),
        many(300),
        full(2),
        vec![format!("a={}", "v".repeat(8191))],
    ] {
        let text = members.join(",");
        let lines = [text.as_bytes()];
        let sent = super::row::members(&lines);
        rows.push(Row {
            baggage: Members::Some(sent),
            ..Row::baggage(over, &lines)
        });
    }
    rows
}
