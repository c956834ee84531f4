use super::*;

#[test]
fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
    let text = "7 (a ) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 6 7 20 0 9 0 12345 1048576 77 8";
    let expected = Stat {
        user: 1.5,
        system: 0.5,
        threads: 9,
        started: 123.45,
        virtual_bytes: 1_048_576,
    };
    assert_eq!(Stat::parse(text), Some(expected));
    assert_eq!(Stat::parse("7 (cut) S 1"), None);
    assert_eq!(Stat::parse(""), None);
}

#[test]
fn lines_are_found_by_name() {
    let text = "VmPeak:\t 12 kB\nVmRSS:\t   34 kB\n";
    assert_eq!(line(text, "VmRSS"), Some(34));
    assert_eq!(line(text, "VmSwap"), None);
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_began_not_long_ago() {
    let created = created().expect("/proc is there");
    let age = created.elapsed().unwrap_or_default();
    assert!(age < Duration::from_secs(24 * 3600), "{age:?}");
}
