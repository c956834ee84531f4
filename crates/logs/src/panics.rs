//! A panic as one line.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use campanile_redaction::Redactor;
use campanile_semconv::{attribute, event};

/// Tells a panic as an event: text, place, thread, and the backtrace where `RUST_BACKTRACE` asks
/// for it. For a panic hook.
///
/// The text goes through `redactor` here already, as an event may also be exported.
///
/// ```
/// use campanile_logs::{Lines, Sink, tell_panic};
/// use campanile_redaction::Redactor;
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let (sink, captured) = Sink::captured();
/// let subscriber = tracing_subscriber::registry().with(Lines::new("shop", sink));
/// let redactor = Redactor::standard();
/// std::panic::set_hook(Box::new(move |panic| tell_panic(panic, &redactor)));
/// tracing::subscriber::with_default(subscriber, || {
///     let _ = std::panic::catch_unwind(|| panic!("no postgres://app:hunter2@db"));
/// });
///
/// let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
/// assert_eq!(line["event"], "campanile.panic");
/// assert_eq!(line["exception.message"], "no postgres://app:REDACTED@db");
/// assert!(line["code.file.path"].is_string());
/// ```
pub fn tell_panic(panic: &PanicHookInfo<'_>, redactor: &Redactor) {
    let payload = panic.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.map(|text| redactor.text(text));
    let place = panic.location();
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    let stack = is_captured.then(|| tracing::field::display(backtrace));
    tracing::event!(
        name: event::CAMPANILE_PANIC,
        tracing::Level::ERROR,
        {
            { attribute::EXCEPTION_TYPE } = "panic",
            { attribute::EXCEPTION_MESSAGE } = text.as_deref(),
            { attribute::CODE_FILE_PATH } = place.map(|place| place.file()),
            { attribute::CODE_LINE_NUMBER } = place.map(|place| place.line()),
            { attribute::THREAD_NAME } = thread.name(),
            { attribute::EXCEPTION_STACKTRACE } = stack,
        },
        "a thread panicked"
    );
}
