//! What people may be called and may say: bounded, and free of what would deceive a reader.
//!
//! Nothing is escaped here. Text is stored as it came and is hostile wherever it is shown.

use std::fmt;

/// How many characters a person's or a room's name may have.
pub const MAX_NAME: usize = 40;

/// How many characters a message may have.
pub const MAX_TEXT: usize = 2_000;

/// Why a text was not taken. Its message names the remedy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    field: &'static str,
    why: String,
}

impl Refused {
    /// The field that was refused, as it is called in JSON.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.why)
    }
}

impl std::error::Error for Refused {}

macro_rules! word {
    ($(#[$doc:meta])+ $name:ident, $field:literal, $max:expr, $allowed:expr) => {
        $(#[$doc])+
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` without the white space around it.
            ///
            /// # Errors
            /// When it is empty, too long, or has a character that is not allowed.
            pub fn new(text: &str) -> Result<Self, Refused> {
                bounded($field, text, $max, $allowed).map(Self)
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

word!(
    /// What a person is called: 1 to [`MAX_NAME`] characters, none of them invisible.
    PersonName, "author", MAX_NAME, is_plain
);

word!(
    /// What a room is called: 1 to [`MAX_NAME`] characters, none of them invisible.
    RoomName, "name", MAX_NAME, is_plain
);

word!(
    /// What is said: 1 to [`MAX_TEXT`] characters; of control characters only line ends and tabs.
    Text, "text", MAX_TEXT, is_said
);

fn bounded(
    field: &'static str,
    text: &str,
    max: usize,
    allowed: fn(char) -> bool,
) -> Result<String, Refused> {
    let refuse = |why| Err(Refused { field, why });
    let text = text.trim();
    if text.is_empty() {
        return refuse(format!("is empty: send 1 to {max} characters"));
    }
    let count = text.chars().count();
    if count > max {
        return refuse(format!("has {count} characters: send at most {max}"));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => refuse(format!(
            "has the invisible character U+{:04X}: leave it out",
            u32::from(c)
        )),
        None => Ok(text.to_owned()),
    }
}

fn is_said(c: char) -> bool {
    matches!(c, '\n' | '\t') || !c.is_control()
}

fn is_plain(c: char) -> bool {
    !c.is_control() && !is_format(c)
}

/// Characters that take no room or turn the direction of their neighbours: in a name they only
/// serve to look like somebody else. A joiner inside an emoji is among them, and worth the loss.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_bounded_in_characters_not_bytes() {
        let longest = "é".repeat(MAX_NAME);
        assert_eq!(
            PersonName::new(&format!("  {longest}\n")).unwrap().as_str(),
            longest
        );
        let refused = PersonName::new(&"é".repeat(MAX_NAME + 1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "author has 41 characters: send at most 40"
        );
    }

    #[test]
    fn a_name_of_white_space_is_empty() {
        assert_eq!(
            RoomName::new(" \t\n").unwrap_err().to_string(),
            "name is empty: send 1 to 40 characters"
        );
    }

    #[test]
    fn a_name_with_an_invisible_character_is_refused_by_its_code() {
        for hostile in ["Ines\u{202e}", "I\u{200b}nes", "Ines\u{0}", "In\u{feff}es"] {
            let refused = PersonName::new(hostile).unwrap_err();
            assert!(refused.to_string().contains("U+"), "{refused}");
        }
    }

    #[test]
    fn a_text_keeps_markup_line_ends_and_direction_marks_but_no_other_control() {
        let said = "<img src=x onerror=alert(1)>\n\tשלום\u{200f}";
        assert_eq!(Text::new(said).unwrap().as_str(), said);
        assert!(Text::new("bell \u{7}").is_err());
        assert!(Text::new(&"a".repeat(MAX_TEXT + 1)).is_err());
    }
}
