//! Classes of bytes as tables: one load for each byte of a header, and no branch.

/// The 256 answers to "does this byte match the pattern".
macro_rules! class {
    ($pattern:pat) => {{
        let mut class = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            class[byte] = matches!(byte as u8, $pattern);
            byte += 1;
        }
        class
    }};
}

pub(crate) use class;
