//! Where each signal goes: `OTEL_{TRACES,METRICS,LOGS}_EXPORTER` and `OTEL_EXPORTER_OTLP_*`.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::variables::{Variables, lower, pairs};
use crate::Signal;
use crate::transport::{Compression, Destination, Endpoint, Outlet, Protocol, Tls};

/// Where `signal` goes; none when it is not exported.
pub(crate) fn outlet(variables: &Variables<'_>, signal: Signal) -> Option<Outlet> {
    let name = format!("OTEL_{}_EXPORTER", signal.variable());
    match variables.get(&name).map(lower).as_deref() {
        None | Some("otlp") => destination(variables, signal).map(Outlet::otlp),
        Some("console" | "logging") => Some(Outlet::Console),
        Some("none") => None,
        Some(other) => {
            variables.note(format!(
                "{name}=\"{other}\" is not supported: {} are not exported, write otlp, console or none",
                signal.items()
            ));
            None
        }
    }
}

/// None when a problem was found.
fn destination(variables: &Variables<'_>, signal: Signal) -> Option<Destination> {
    let protocol = protocol(variables, signal)?;
    let endpoint = endpoint(variables, signal, protocol)?;
    let timeout = millis(variables, signal, "TIMEOUT").unwrap_or(Duration::from_secs(10));
    let tls = tls(variables, signal, &endpoint)?;
    Some(Destination {
        protocol,
        endpoint,
        headers: headers(variables, signal)?,
        compression: compression(variables, signal),
        timeout: timeout.min(processor_timeout(variables, signal)),
        tls,
    })
}

fn protocol(variables: &Variables<'_>, signal: Signal) -> Option<Protocol> {
    let Some((name, value)) = variables.otlp(signal, "PROTOCOL") else {
        return Some(Protocol::Grpc);
    };
    match lower(value.clone()).as_str() {
        "grpc" => Some(Protocol::Grpc),
        "http/protobuf" => Some(Protocol::Http),
        _ => {
            variables.problem(format!(
                "{name}=\"{value}\" is not supported: write grpc or http/protobuf"
            ));
            None
        }
    }
}

fn endpoint(variables: &Variables<'_>, signal: Signal, protocol: Protocol) -> Option<Endpoint> {
    let path = format!("/v1/{}", signal.as_str());
    let Some((name, mut value)) = variables.otlp(signal, "ENDPOINT") else {
        let default = match protocol {
            Protocol::Grpc => Endpoint::parse("http://localhost:4317"),
            Protocol::Http => Endpoint::parse("http://localhost:4318").map(|base| base.join(&path)),
        };
        return default.ok();
    };
    // gRPC allows `host:port`; the scheme is then for OTEL_EXPORTER_OTLP_INSECURE to say. We do not
    // guess TLS without it: `localhost:4317` would silently mean https.
    if protocol == Protocol::Grpc
        && !value.contains("://")
        && let Some((_, insecure)) = variables.otlp(signal, "INSECURE")
    {
        let scheme = if insecure.eq_ignore_ascii_case("true") {
            "http"
        } else {
            "https"
        };
        value = format!("{scheme}://{value}");
    }
    match Endpoint::parse(&value) {
        Ok(endpoint) if protocol == Protocol::Http && name == "OTEL_EXPORTER_OTLP_ENDPOINT" => {
            Some(endpoint.join(&path))
        }
        Ok(endpoint) => Some(endpoint),
        Err(problem) => {
            variables.problem(format!("{name}: {problem}"));
            None
        }
    }
}

fn headers(variables: &Variables<'_>, signal: Signal) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let Some((name, value)) = variables.otlp(signal, "HEADERS") else {
        return Some(headers);
    };
    let pairs = match pairs(&value) {
        Ok(pairs) => pairs,
        Err(problem) => {
            variables.problem(format!("{name}: {problem}: write key=value,key=value"));
            return None;
        }
    };
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        let header = HeaderName::try_from(key).ok();
        let value = HeaderValue::try_from(value).ok();
        let (Some(header), Some(mut value)) = (header, value) else {
            variables.problem(format!(
                "{name}: entry {} is not a valid HTTP header: percent-encode its value",
                index + 1
            ));
            return None;
        };
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Some(headers)
}

fn compression(variables: &Variables<'_>, signal: Signal) -> Compression {
    let Some((name, value)) = variables.otlp(signal, "COMPRESSION") else {
        return Compression::None;
    };
    match lower(value.clone()).as_str() {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        #[cfg(feature = "zstd")]
        "zstd" => Compression::Zstd,
        _ => {
            let zstd = if cfg!(feature = "zstd") { ", zstd" } else { "" };
            variables.note(format!(
                "{name}=\"{value}\" is not supported: requests are not compressed, write gzip{zstd} or none"
            ));
            Compression::None
        }
    }
}

fn millis(variables: &Variables<'_>, signal: Signal, rest: &str) -> Option<Duration> {
    let (name, _) = variables.otlp(signal, rest)?;
    variables.millis(&name).filter(|time| !time.is_zero())
}

/// The processors' own limit of an export; the smaller one counts.
fn processor_timeout(variables: &Variables<'_>, signal: Signal) -> Duration {
    let name = match signal {
        Signal::Traces => "OTEL_BSP_EXPORT_TIMEOUT",
        Signal::Metrics => "OTEL_METRIC_EXPORT_TIMEOUT",
        Signal::Logs => "OTEL_BLRP_EXPORT_TIMEOUT",
    };
    let set = variables.millis(name).filter(|time| !time.is_zero());
    set.unwrap_or(Duration::from_secs(30))
}

fn tls(variables: &Variables<'_>, signal: Signal, endpoint: &Endpoint) -> Option<Tls> {
    let file = |rest| variables.otlp(signal, rest);
    let files = [
        file("CERTIFICATE"),
        file("CLIENT_CERTIFICATE"),
        file("CLIENT_KEY"),
    ];
    match Tls::load(endpoint, files) {
        Ok(tls) => Some(tls),
        Err(problem) => {
            variables.problem(problem);
            None
        }
    }
}
