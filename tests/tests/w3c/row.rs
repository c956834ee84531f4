//! One row of the tables: what is sent, and what has to come out.

use std::borrow::Cow;

/// The caller's ids, in all rows that have a caller.
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub const SPAN: &str = "00f067aa0ba902b7";

/// A good `traceparent` with these flags.
pub fn good(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

/// What becomes of the caller's trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trace {
    /// It goes on; these are the flags the caller sent, as far as they are known.
    Kept { sampled: bool, random: bool },
    /// A new one begins.
    New,
}

/// What becomes of the members of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Members {
    /// There is no header at all.
    None,
    /// Exactly these, in this order.
    All(Vec<Vec<u8>>),
    /// Only some of these, in this order, each whole.
    Some(Vec<Vec<u8>>),
}

/// One row.
pub struct Row {
    /// The line of the table that asks for it.
    pub line: &'static str,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub trace: Trace,
    pub state: Members,
    pub baggage: Members,
}

impl Row {
    pub fn new(line: &'static str, headers: &[(&'static str, &[u8])]) -> Self {
        let headers = headers.iter();
        Self {
            line,
            headers: headers
                .map(|(name, value)| (*name, value.to_vec()))
                .collect(),
            trace: Trace::New,
            state: Members::None,
            baggage: Members::None,
        }
    }

    /// A row about `traceparent` alone; a `tracestate` goes with it and shares its fate.
    pub fn parent(line: &'static str, value: impl AsRef<[u8]>) -> Self {
        Self::new(
            line,
            &[("traceparent", value.as_ref()), ("tracestate", b"a=1")],
        )
    }

    /// A row about lines of `tracestate` below a good parent.
    pub fn state(line: &'static str, lines: &[&[u8]]) -> Self {
        let parent = good("00");
        let mut headers = vec![("traceparent", parent.as_bytes())];
        headers.extend(lines.iter().map(|line| ("tracestate", *line)));
        Self::new(line, &headers).kept("00")
    }

    /// A row about lines of `baggage` without any parent.
    pub fn baggage(line: &'static str, lines: &[&[u8]]) -> Self {
        let lines: Vec<_> = lines.iter().map(|line| ("baggage", *line)).collect();
        Self::new(line, &lines)
    }

    /// The trace goes on with these flags. A `tracestate` of [`Row::parent`] goes with it.
    pub fn kept(mut self, flags: &str) -> Self {
        let flags = u8::from_str_radix(flags, 16).unwrap();
        self.trace = Trace::Kept {
            sampled: flags & 1 != 0,
            random: flags & 2 != 0,
        };
        self
    }

    pub fn with_state(mut self, members: &[&[u8]]) -> Self {
        self.state = Members::All(members.iter().map(|member| member.to_vec()).collect());
        self
    }

    pub fn with_baggage(mut self, members: &[&[u8]]) -> Self {
        self.baggage = Members::All(members.iter().map(|member| member.to_vec()).collect());
        self
    }

    /// What failed, with the line that asks for it and the lines that were sent.
    pub fn describe(&self) -> String {
        let sent = self.headers.iter();
        let sent: Vec<_> = sent
            .map(|(name, value)| format!("  {name}: {}", short(&value.escape_ascii().to_string())))
            .collect();
        format!("{}\nsent:\n{}", self.line, sent.join("\n"))
    }
}

fn short(text: &str) -> Cow<'_, str> {
    match text.get(..200) {
        Some(start) => format!("{start}... ({} bytes)", text.len()).into(),
        None => text.into(),
    }
}

/// The members of all lines of a list, without the white space around them and without blank ones.
pub fn members(lines: &[&[u8]]) -> Vec<Vec<u8>> {
    let members = lines
        .iter()
        .flat_map(|line| line.split(|byte| *byte == b','));
    let members = members.map(|member| member.trim_ascii().to_vec());
    members.filter(|member| !member.is_empty()).collect()
}
