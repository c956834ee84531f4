//! What is known about the process that speaks: the resource.

use std::path::Path;

use campanile_semconv::{SCHEMA_URL, attribute as a};
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use super::variables::{Variables, pairs};
use crate::process;

/// Detects the resource of this process. What `OTEL_RESOURCE_ATTRIBUTES` says wins over what was
/// detected, and `OTEL_SERVICE_NAME` over that. Command-line arguments are never read.
pub(crate) fn detect(variables: &Variables<'_>, service: &str, version: Option<&str>) -> Resource {
    let mut attributes = vec![
        KeyValue::new(a::TELEMETRY_DISTRO_NAME, "campanile"),
        KeyValue::new(a::TELEMETRY_DISTRO_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(a::SERVICE_NAME, service.to_owned()),
        KeyValue::new(a::SERVICE_INSTANCE_ID, instance_id()),
        KeyValue::new(a::OS_TYPE, os()),
        KeyValue::new(a::HOST_ARCH, arch()),
        KeyValue::new(a::PROCESS_PID, i64::from(std::process::id())),
    ];
    let mut add = |key: &'static str, value: Option<String>| {
        attributes.extend(value.map(|value| KeyValue::new(key, value)));
    };
    add(a::SERVICE_VERSION, version.map(str::to_owned));
    add(a::HOST_NAME, host_name(variables));
    add(a::PROCESS_EXECUTABLE_NAME, executable());
    add(
        a::PROCESS_CREATION_TIME,
        process::created().map(campanile_logs::rfc3339),
    );
    add(a::CONTAINER_ID, container_id());
    if variables.get("KUBERNETES_SERVICE_HOST").is_some() {
        let pod = variables
            .get("K8S_POD_NAME")
            .or_else(|| variables.get("HOSTNAME"));
        let namespace = variables
            .get("K8S_NAMESPACE_NAME")
            .or_else(|| first_line("/var/run/secrets/kubernetes.io/serviceaccount/namespace"));
        add(a::K8S_POD_NAME, pod);
        add(a::K8S_NAMESPACE_NAME, namespace);
        add(a::K8S_NODE_NAME, variables.get("K8S_NODE_NAME"));
        add(a::K8S_POD_UID, variables.get("K8S_POD_UID"));
        add(a::K8S_CONTAINER_NAME, variables.get("K8S_CONTAINER_NAME"));
    }
    if let Some(text) = variables.get("OTEL_RESOURCE_ATTRIBUTES") {
        match pairs(&text) {
            Ok(pairs) => attributes.extend(
                pairs
                    .into_iter()
                    .map(|(key, value)| KeyValue::new(key, value)),
            ),
            // The specification: on any error discard the whole value.
            Err(problem) => variables.note(format!(
                "OTEL_RESOURCE_ATTRIBUTES: {problem}: all of it is left out"
            )),
        }
    }
    if let Some(name) = variables.get("OTEL_SERVICE_NAME") {
        attributes.push(KeyValue::new(a::SERVICE_NAME, name));
    }
    // Of equal keys the last one stays.
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_schema_url(attributes, SCHEMA_URL)
        .build()
}

/// One text attribute of a resource.
pub(crate) fn text(resource: &Resource, key: &'static str) -> Option<String> {
    let value = resource.get(&Key::from_static_str(key))?;
    Some(value.as_str().into_owned())
}

/// A random UUID, version 4.
fn instance_id() -> String {
    let bits = fastrand::Rng::new().u128(..);
    let bits = bits & !(0xf << 76) | 0x4 << 76;
    let bits = bits & !(0x3 << 62) | 0x2 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

/// The operating system by the semantic conventions' names.
fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" | "ios" => "darwin",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}

/// The architecture by the semantic conventions' names.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

fn host_name(variables: &Variables<'_>) -> Option<String> {
    first_line("/proc/sys/kernel/hostname")
        .or_else(|| variables.get("HOSTNAME"))
        .or_else(|| variables.get("COMPUTERNAME"))
}

fn executable() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn first_line(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The container's id, by cgroup version 1, else by what version 2 leaves in the mounts.
fn container_id() -> Option<String> {
    let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    id_in_cgroup(&cgroup).or_else(|| id_in_mounts(&mounts()))
}

fn id_in_cgroup(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let last = line.rsplit('/').next()?;
        let last = last.strip_suffix(".scope").unwrap_or(last);
        container(last.rsplit(['-', ':']).next()?)
    })
}

fn id_in_mounts(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.contains("/hostname") && line.contains("containers/"))?;
    let (_, after) = line.split_once("containers/")?;
    container(after.split('/').next()?)
}

/// 64 hexadecimal digits.
fn container(text: &str) -> Option<String> {
    let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605";

    #[test]
    fn a_container_is_found_by_either_cgroup_version() {
        let docker = format!("12:cpu:/docker/{ID}\n");
        let systemd = format!("0::/system.slice/docker-{ID}.scope\n");
        let containerd = format!("0::/kubepods/besteffort/pod1/cri-containerd:{ID}\n");
        for cgroup in [docker, systemd, containerd] {
            assert_eq!(id_in_cgroup(&cgroup).as_deref(), Some(ID), "{cgroup}");
        }
        let mounts = format!("1 2 0:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw\n");
        assert_eq!(id_in_mounts(&mounts).as_deref(), Some(ID));
        assert_eq!(id_in_cgroup("0::/user.slice\n"), None);
        assert_eq!(id_in_mounts("1 2 0:1 / / rw\n"), None);
    }

    #[test]
    fn instance_ids_are_unique_and_well_formed() {
        let (one, two) = (instance_id(), instance_id());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&one[19..20]));
    }
}
