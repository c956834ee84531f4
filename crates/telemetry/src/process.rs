//! What the kernel and the runtime know about this process: opt-in metrics.
//!
//! Everything is read when metrics are collected, from `/proc` and from tokio's own counters;
//! where there is no `/proc`, there is nothing to tell.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile_semconv::metric::Metric;
use campanile_semconv::{attribute as a, metric as m};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use tokio::runtime::Handle;

/// Ticks of a second in `/proc`: the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// What `/proc/self/stat` says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    user: f64,
    system: f64,
    threads: i64,
    /// Seconds after the boot of the machine.
    started: f64,
    virtual_bytes: i64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The program's name stands in parentheses and may hold anything; fields count from its end.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        Some(Self {
            user: number(11)? as f64 / TICKS,
            system: number(12)? as f64 / TICKS,
            threads: number(17)?,
            started: number(19)? as f64 / TICKS,
            virtual_bytes: number(20)?,
        })
    }
}

/// A line `name: number` of a file of `/proc`.
fn line(text: &str, name: &str) -> Option<i64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim_start_matches(':')
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn proc_line(file: &str, name: &str) -> Option<i64> {
    line(&std::fs::read_to_string(file).ok()?, name)
}

/// When the process began.
pub(crate) fn created() -> Option<SystemTime> {
    let boot = proc_line("/proc/stat", "btime")?;
    let boot = UNIX_EPOCH + Duration::from_secs(u64::try_from(boot).ok()?);
    Some(boot + Duration::try_from_secs_f64(Stat::read()?.started).ok()?)
}

/// Declares `process.*`.
pub(crate) fn observe(meter: &Meter) {
    let cpu = [
        KeyValue::new(a::CPU_MODE, "user"),
        KeyValue::new(a::CPU_MODE, "system"),
    ];
    float_counter(meter, &m::PROCESS_CPU_TIME, move |tell| {
        if let Some(stat) = Stat::read() {
            tell(stat.user, &cpu[..1]);
            tell(stat.system, &cpu[1..]);
        }
    });
    let read = [KeyValue::new(a::DISK_IO_DIRECTION, "read")];
    let written = [KeyValue::new(a::DISK_IO_DIRECTION, "write")];
    let metric = &m::PROCESS_DISK_IO;
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            let Ok(text) = std::fs::read_to_string("/proc/self/io") else {
                return;
            };
            for (name, attributes) in [("read_bytes", &read), ("write_bytes", &written)] {
                let bytes = line(&text, name).and_then(|bytes| u64::try_from(bytes).ok());
                if let Some(bytes) = bytes {
                    observer.observe(bytes, attributes);
                }
            }
        })
        .build();
    level(meter, &m::PROCESS_MEMORY_USAGE, || {
        Some(proc_line("/proc/self/status", "VmRSS")? * 1024)
    });
    level(meter, &m::PROCESS_MEMORY_VIRTUAL, || {
        Some(Stat::read()?.virtual_bytes)
    });
    level(meter, &m::PROCESS_THREAD_COUNT, || {
        Some(Stat::read()?.threads)
    });
    level(meter, &m::PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, || {
        // The folder that is read is one of them.
        let open = std::fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1);
        i64::try_from(open).ok()
    });
    let metric = &m::PROCESS_UPTIME;
    let created = created();
    meter
        .f64_observable_gauge(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            if let Some(Ok(up)) = created.map(|created| created.elapsed()) {
                observer.observe(up.as_secs_f64(), &[]);
            }
        })
        .build();
}

/// Declares `tokio.*` of one runtime.
pub(crate) fn observe_runtime(meter: &Meter, runtime: &Handle) {
    let metrics = runtime.metrics();
    let count = |read: fn(&tokio::runtime::RuntimeMetrics) -> usize| {
        let metrics = metrics.clone();
        move || i64::try_from(read(&metrics)).ok()
    };
    level(
        meter,
        &m::TOKIO_TASK_ALIVE,
        count(|metrics| metrics.num_alive_tasks()),
    );
    level(
        meter,
        &m::TOKIO_QUEUE_LENGTH,
        count(|metrics| metrics.global_queue_depth()),
    );
    level(
        meter,
        &m::TOKIO_WORKER_COUNT,
        count(|metrics| metrics.num_workers()),
    );
    // These two are counted where the platform has 64-bit atomics.
    #[cfg(target_has_atomic = "64")]
    {
        let busy = metrics.clone();
        float_counter(meter, &m::TOKIO_WORKER_TIME, move |tell| {
            let workers = 0..busy.num_workers();
            let total: Duration = workers
                .map(|worker| busy.worker_total_busy_duration(worker))
                .sum();
            tell(total.as_secs_f64(), &[]);
        });
        let metric = &m::TOKIO_WORKER_PARKS;
        meter
            .u64_observable_counter(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.brief)
            .with_callback(move |observer| {
                let workers = 0..metrics.num_workers();
                observer.observe(
                    workers
                        .map(|worker| metrics.worker_park_count(worker))
                        .sum(),
                    &[],
                );
            })
            .build();
    }
}

fn level(
    meter: &Meter,
    metric: &'static Metric,
    read: impl Fn() -> Option<i64> + Send + Sync + 'static,
) {
    meter
        .i64_observable_up_down_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            if let Some(value) = read() {
                observer.observe(value, &[]);
            }
        })
        .build();
}

fn float_counter(
    meter: &Meter,
    metric: &'static Metric,
    read: impl Fn(&dyn Fn(f64, &[KeyValue])) + Send + Sync + 'static,
) {
    meter
        .f64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.brief)
        .with_callback(move |observer| {
            read(&|value, attributes| observer.observe(value, attributes));
        })
        .build();
}
