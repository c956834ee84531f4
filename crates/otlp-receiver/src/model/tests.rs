#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn ids_print_as_lower_hex_and_parse_back() {
    let text = "4bf92f3577b34da6a3ce929d0e0e4736";
    let id: TraceId = text.parse().unwrap();
    assert_eq!(id.to_string(), text);
    assert_eq!(
        "00f067aa0ba902b7".parse::<SpanId>().unwrap().to_string(),
        "00f067aa0ba902b7"
    );
    for wrong in [
        "",
        "4bf9",
        "zzf92f3577b34da6a3ce929d0e0e4736",
        "+bf92f3577b34da6a3ce929d0e0e4736",
    ] {
        assert!(wrong.parse::<TraceId>().is_err(), "{wrong}");
    }
}

#[test]
fn values_compare_by_type_and_nan_equals_itself() {
    assert_eq!(Value::from(200_i64), 200_i64);
    assert_ne!(Value::from(200_i64), Value::from("200"));
    assert_ne!(Value::from(200_i64), Value::from(200.0));
    assert_eq!(Value::from(f64::NAN), Value::from(f64::NAN));
    assert_eq!(Value::from("a"), "a");
}

#[test]
fn values_print_so_that_types_can_be_told_apart() {
    let attributes = Attributes::from([
        ("text", Value::from("200")),
        ("int", Value::from(200)),
        ("double", Value::from(200.0)),
        ("list", Value::from(["a", "b"])),
        ("bytes", Value::from(vec![1_u8, 255])),
    ]);
    assert_eq!(
        attributes.to_string(),
        r#"text="200" int=200 double=200.0 list=["a", "b"] bytes=0x01ff"#
    );
    assert_eq!(Value::from("bare").to_string(), "bare");
}

#[test]
fn attribute_sets_are_equal_once_sorted() {
    let one = Attributes::from([("b", 1), ("a", 2)]);
    let two = Attributes::from([("a", 2), ("b", 1)]);
    assert_ne!(one, two);
    assert_eq!(one.sorted(), two.sorted());
}
