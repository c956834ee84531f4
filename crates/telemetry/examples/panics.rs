//! Records a span and a log record, and panics on another thread and then on this one: for
//! `tests/abort.rs`, which builds it with `panic = "abort"`.
//!
//! `KEEP_HOOK=1` keeps the hook of the standard library.

use campanile_telemetry::Telemetry;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Telemetry::from_env("panics")
        // what arrives was sent because of the panic, and not because it was time
        .setting("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .setting("OTEL_BLRP_SCHEDULE_DELAY", "600000");
    if std::env::var_os("KEEP_HOOK").is_some() {
        builder = builder.keep_panic_hook();
    }
    let telemetry = builder.install()?;
    let tracer = telemetry.tracer("panics");
    for n in 0..50 {
        let mut span = tracer.start("work");
        span.set_attribute(KeyValue::new("n", n));
        span.end();
        tracing::info!(n, "worked");
    }
    if cfg!(panic = "unwind") {
        return Err("this was not built with panic = \"abort\"".into());
    }
    std::thread::Builder::new()
        .name("worker".into())
        .spawn(|| panic!("no postgres://app:hunter2@db/x"))?
        .join()
        .map_err(|_| "the panic did not end the process")?;
    Ok(())
}
