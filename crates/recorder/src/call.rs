//! The client's half of the seam: one outgoing request, one end.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::Context;

use crate::{Fault, Handle, Method, Sizes, Target};

/// The beginning of an outgoing request: everything a sampler may see.
///
/// One of them is one attempt on the wire; a retry is another.
#[derive(Debug)]
pub struct CallHead<'a> {
    /// Where the request is made: its span is the parent, and what it carries goes out.
    pub context: Context,
    /// The method.
    pub method: Method,
    /// The method as sent, when it is none of the known ones.
    pub method_original: Option<&'a str>,
    /// The whole URL, already redacted; absent when the host is not known.
    pub url: Option<&'a str>,
    /// The host, without its port.
    pub server_address: Option<&'a str>,
    /// The port, that of the scheme when the URL names none.
    pub server_port: Option<u16>,
    /// The same for metrics.
    pub target: &'static Target,
    /// How many attempts came before this one.
    pub resend_count: u32,
    /// Whether it counts as active until its end.
    pub counts_active: bool,
}

/// An outgoing request that began.
#[derive(Clone, Debug)]
pub struct StartedCall {
    /// The context to inject, and to run the client in: the client span is current.
    pub context: Context,
    /// When it began.
    pub at: SystemTime,
    /// The method.
    pub method: Method,
    /// Whom it went to.
    pub target: &'static Target,
    /// Whether it counts as active until its end.
    pub counts_active: bool,
}

impl StartedCall {
    /// Notes that `head` began now, in `context`.
    pub fn now(head: &CallHead<'_>, context: Context) -> Self {
        Self {
            context,
            at: SystemTime::now(),
            method: head.method,
            target: head.target,
            counts_active: head.counts_active,
        }
    }
}

/// The head of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The protocol version that was spoken: `1.1`, `2`; `None` when unknown.
    pub version: Option<&'static str>,
    /// The socket peer, where the client tells it.
    pub peer: Option<SocketAddr>,
}

/// How an outgoing request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallOutcome {
    /// The head of a response came, whatever its status.
    Answered(Answer),
    /// No response came.
    Failed(Fault),
    /// The caller lost interest and dropped it, on purpose. That is not an error.
    Cancelled,
}

/// The end of an outgoing request.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd {
    /// How it ended.
    pub outcome: CallOutcome,
    /// From the request's head to this end: the span's duration and the metric's sample alike.
    pub elapsed: Duration,
    /// The body sizes, where they are known and asked for.
    pub sizes: Sizes,
}

impl CallEnd {
    /// The head of the response, if one came.
    pub fn answer(&self) -> Option<Answer> {
        match self.outcome {
            CallOutcome::Answered(answer) => Some(answer),
            CallOutcome::Failed(_) | CallOutcome::Cancelled => None,
        }
    }

    /// The value of `error.type`, absent on success (semantic conventions, HTTP client: a 4xx is
    /// an error as a 5xx is).
    pub fn error_type(&self) -> Option<&'static str> {
        match self.outcome {
            CallOutcome::Answered(answer) => error_status(answer.status),
            CallOutcome::Failed(fault) => Some(fault.as_str()),
            CallOutcome::Cancelled => None,
        }
    }
}

/// The status codes `400` to `599` as text: a closed set.
fn error_status(status: u16) -> Option<&'static str> {
    static TEXTS: [[u8; 3]; 200] = {
        let mut texts = [*b"400"; 200];
        let mut i = 0;
        while i < 200 {
            let last_two = (i % 100) as u8;
            texts[i] = [
                b'4' + (i / 100) as u8,
                b'0' + last_two / 10,
                b'0' + last_two % 10,
            ];
            i += 1;
        }
        texts
    };
    let text = TEXTS.get(usize::from(status.checked_sub(400)?))?;
    std::str::from_utf8(text).ok()
}

/// An outgoing request under way.
///
/// Whoever sees the end says how it was; a drop before that is [`CallOutcome::Cancelled`], also
/// while the thread unwinds: then something else panicked, and the call was merely abandoned.
pub struct Call {
    recorder: Handle,
    started: StartedCall,
    clock: Instant,
    sizes: Sizes,
    ended: bool,
}

impl Call {
    /// Begins an outgoing request.
    pub fn begin(recorder: &Handle, head: CallHead<'_>) -> Self {
        let clock = Instant::now();
        Self {
            recorder: recorder.clone(),
            started: recorder.start_call(head),
            clock,
            sizes: Sizes::default(),
            ended: false,
        }
    }

    /// The context to inject, and to run the client in.
    pub fn context(&self) -> &Context {
        &self.started.context
    }

    /// The body sizes to report.
    pub fn sizes_mut(&mut self) -> &mut Sizes {
        &mut self.sizes
    }

    /// Ends it. Later calls, and the drop, do nothing.
    pub fn end(&mut self, outcome: CallOutcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let end = CallEnd {
            outcome,
            elapsed: self.clock.elapsed(),
            sizes: self.sizes,
        };
        self.recorder.end_call(&self.started, end);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(CallOutcome::Cancelled);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("started", &self.started)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_4xx_and_5xx_for_errors() {
        for status in 0..1000 {
            let expected = (400..600).contains(&status).then(|| status.to_string());
            assert_eq!(error_status(status), expected.as_deref());
        }
    }
}
