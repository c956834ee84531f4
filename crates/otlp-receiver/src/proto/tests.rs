#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// Reads what Python's protobuf wrote, every field set, through our messages and back, and compares by the public ones.
fn same<Ours, Theirs>(seed: &str)
where
    Ours: Message + Default,
    Theirs: Message + Default + PartialEq + Debug,
{
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/receiver_protobuf");
    let bytes = std::fs::read(corpus.join(seed)).unwrap();
    let written = Theirs::decode(&bytes[1..]).unwrap();
    let ours = Ours::decode(&bytes[1..]).unwrap().encode_to_vec();
    assert_eq!(Theirs::decode(ours.as_slice()).unwrap(), written);
}

#[test]
fn messages_are_those_of_the_protocol() {
    for variant in ["", "_full"] {
        same::<super::trace::Request, ExportTraceServiceRequest>(&format!("traces{variant}"));
        same::<super::metrics::Request, ExportMetricsServiceRequest>(&format!("metrics{variant}"));
        same::<super::logs::Request, ExportLogsServiceRequest>(&format!("logs{variant}"));
    }
}
