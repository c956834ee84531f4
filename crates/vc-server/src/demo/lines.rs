//! Who the simulated people are, and what they have to say.

use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const PEOPLE: [&str; 6] = [
    "Lucía Prieto",
    "Amara Koné",
    "Tomasz Oleksy",
    "Ines Moreau",
    "Jun Watanabe",
    "Priya Nair",
];

/// What is said next in a room. Lines come in turn, so that nobody repeats what was just said.
pub(super) fn next(room: &str) -> &'static str {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let lines = said_in(room);
    lines[TURN.fetch_add(1, Ordering::Relaxed) % lines.len()]
}

fn said_in(room: &str) -> &'static [&'static str] {
    match room {
        "releases" => &[
            "4.2 is on both nodes.",
            "Changelog is merged. Two lines, as promised.",
            "Error budget for sending is at 99.2 % for the month.",
            "Rolled back 4.2.1 on staging: the migration took a lock it should not.",
            "Tagging 4.2.2 after lunch.",
            "Can somebody read the upgrade notes once more?",
        ],
        "on-call" => &[
            "Calm night, one page, one false alarm.",
            "The backup holds the write lock longer than it should. Look at the traces.",
            "Handing over to Amara at 14:00.",
            "p99 of sending jumped again. Same shape as yesterday.",
            "Alert closed. Cause: the backup, not the deploy.",
            "Who is on this weekend?",
        ],
        "design" => &[
            "No green for healthy. Quiet is the point.",
            "Amber needs a shape beside it, colour alone will not do.",
            "The composer stays usable while reconnecting.",
            "Tried the page at 390 px. The tabs scroll nicely.",
            "One sentence first, numbers below it.",
        ],
        _ => &[
            "Morning.",
            "Coffee machine on the second floor is fixed.",
            "Lunch at half past twelve?",
            "Spreading the resume over 8 s instead of 2.",
            "Good. I will watch the ladder.",
            "Does anybody know where the projector went?",
            "The live page shows what I just did. I like that.",
            "Back in ten minutes.",
            "Thursday's demo moves to three o'clock.",
            "Found the cause: one query, no index.",
            "Nice. How much faster is it?",
            "From 840 ms to 6 ms.",
            "Write that down before we forget why.",
        ],
    }
}
