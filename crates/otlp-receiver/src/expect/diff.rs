//! The shortest difference of two texts, line by line.

/// Longer texts stand whole, one after the other, as the table grows with the square.
const MOST: usize = 2000;

/// Marks lines only in `expected` with `-`, only in `received` with `+`, others with a space.
pub(super) fn lines(expected: &str, received: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), received.lines().collect());
    let common = if old.len().max(new.len()) > MOST {
        Vec::new()
    } else {
        common(&old, &new)
    };
    let mut text = String::new();
    let mut line = |mark: &str, line: &str| {
        text.push_str(mark);
        text.push_str(line);
        text.push('\n');
    };
    let (mut at_old, mut at_new) = (0, 0);
    let ends = std::iter::once((old.len(), new.len()));
    for (next_old, next_new) in common.into_iter().chain(ends) {
        old[at_old..next_old]
            .iter()
            .for_each(|removed| line("- ", removed));
        new[at_new..next_new]
            .iter()
            .for_each(|added| line("+ ", added));
        if let Some(same) = old.get(next_old) {
            line("  ", same);
        }
        (at_old, at_new) = (next_old + 1, next_new + 1);
    }
    text
}

/// Finds the places of a longest common subsequence.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    // lengths[i * width + j]: how long it is for what begins at old[i] and new[j].
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut places) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    places
}
