#![allow(clippy::unwrap_used)]
use super::*;

fn welcome(state: &str, from: u32, n: u32, lost: u32) -> Welcome {
    Welcome {
        sid: "5f".to_owned(),
        state: Some(state.to_owned()),
        rt: Some(format!("token after {state}")),
        from: Some(from),
        n: Some(n),
        lost: Some(lost),
        hb: Some(25),
        ack: Some(3),
        ..Welcome::default()
    }
}

/// A client that has the messages up to `seq`.
fn known(seq: u32) -> Known {
    Known {
        token: Some("old".to_owned()),
        handed: Seq(seq),
    }
}

fn back(seq: u32, welcome: Welcome) -> (Contract, Attached) {
    Contract::welcomed(Some(&known(seq)), welcome, Instant::now())
}

fn beat(seq: u32, t0: Option<f64>) -> Due {
    Due::Say(Control::Hb {
        seq: Some(seq),
        t0,
        t1: None,
        t2: None,
        rt: None,
    })
}

fn answer(t0: f64) -> Control {
    Control::Hb {
        seq: None,
        t0: Some(t0),
        t1: None,
        t2: None,
        rt: None,
    }
}

#[test]
fn each_state_says_whether_something_is_missing() {
    let none = Contract::welcomed(None, welcome("new", 0, 0, 0), Instant::now());
    assert_eq!(
        (none.1.state, none.1.rung, none.1.must_load()),
        (State::New, None, true)
    );
    for (state, from, n, lost, expected, must_load) in [
        ("resumed", 7, 0, 0, State::Resumed, false),
        ("replayed", 7, 2, 0, State::Replayed { messages: 2 }, false),
        ("conflict", 7, 1, 0, State::Replayed { messages: 1 }, false),
        ("conflict", 7, 0, 0, State::Resumed, false),
        ("resynced", 7, 0, 0, State::Resynced { lost: 0 }, true),
        ("replayed", 9, 1, 2, State::Resynced { lost: 2 }, true),
        ("resumed", 9, 0, 0, State::Resynced { lost: 0 }, true),
        ("expired", 0, 0, 0, State::New, true),
        ("unknown_session", 0, 0, 0, State::New, true),
        ("what is this", 0, 0, 0, State::New, true),
    ] {
        let (contract, attached) = back(7, welcome(state, from, n, lost));
        assert_eq!(
            (attached.state, attached.must_load()),
            (expected, must_load),
            "{state}"
        );
        assert_eq!(contract.known.handed, Seq(from), "{state}");
    }
}

#[test]
fn what_is_sent_again_although_we_have_it_is_left_out() {
    let (mut contract, attached) = back(7, welcome("replayed", 5, 3, 0));
    assert_eq!(attached.state, State::Replayed { messages: 3 });
    let now = Instant::now();
    let handed: Vec<_> = (0..4).map(|_| contract.message(now)).collect();
    assert_eq!(handed, [false, false, true, true]);
    assert_eq!(contract.known.handed, Seq(9));
}

#[test]
fn a_server_that_is_behind_by_more_than_it_sends_again_has_another_stream() {
    let (mut contract, attached) = back(1000, welcome("resumed", 3, 0, 0));
    assert_eq!(attached.state, State::Resynced { lost: 0 });
    assert!(contract.message(Instant::now()), "nothing live is left out");
}

#[test]
fn numbers_wrap() {
    let (mut contract, attached) = back(u32::MAX, welcome("replayed", u32::MAX, 2, 0));
    assert_eq!(attached.state, State::Replayed { messages: 2 });
    let now = Instant::now();
    assert!(contract.message(now) && contract.message(now));
    assert_eq!(contract.known.handed, Seq(1));
    contract.control(Control::Skip { n: u32::MAX }, now);
    assert!(contract.message(now), "an absurd skip stops nothing");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_leave_at_once_then_by_count_then_by_age() {
    let start = Instant::now();
    let (mut contract, _) = back(7, welcome("resumed", 7, 0, 0));
    assert_eq!(contract.due(start, 5.0), beat(7, Some(5.0)), "confirms");
    contract.control(answer(5.0), start);
    assert!(matches!(contract.due(start, 5.0), Due::At(_)));
    for _ in 0..2 {
        contract.message(start);
    }
    let second = Duration::from_secs(1);
    assert_eq!(contract.due(start, 5.0), Due::At(start + second));
    contract.message(start);
    assert_eq!(contract.due(start, 5.0), beat(10, None), "three are enough");
    contract.message(start);
    assert_eq!(contract.due(start + second, 6.0), beat(11, None));
    contract.control(Control::Skip { n: 2 }, start);
    assert_eq!(contract.due(start + second, 6.0), beat(13, None));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_or_says_nothing_is_dead() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let (mut contract, _) = back(7, welcome("resumed", 7, 0, 0));
    assert_eq!(contract.due(start, 5.0), beat(7, Some(5.0)));
    contract.heard(at(9));
    assert_eq!(contract.due(at(9), 5.0), Due::At(at(10)));
    assert_eq!(contract.due(at(10), 5.0), Due::Dead, "no answer");

    contract.control(answer(5.0), at(10));
    assert_eq!(contract.due(at(25), 6.0), beat(7, Some(6.0)));
    contract.control(answer(6.0), at(25));
    contract.heard(at(25));
    assert_eq!(contract.due(at(50), 7.0), beat(7, Some(7.0)));
    contract.control(answer(7.0), at(50));
    assert_eq!(contract.due(at(75), 8.0), Due::Dead, "nothing since 25 s");
}

#[test]
fn a_new_token_takes_the_place_of_the_old_one() {
    let (mut contract, _) = back(7, welcome("resumed", 7, 0, 0));
    let control = Control::Hb {
        seq: None,
        t0: Some(1.0),
        t1: None,
        t2: None,
        rt: Some("newer".to_owned()),
    };
    contract.control(control, Instant::now());
    assert_eq!(contract.known.claim(), Some(("newer", 7)));
    contract.known.forget();
    assert_eq!(contract.known.claim(), None);
}
