//! Times that Apache writes as a format of strftime says: `%{%d/%b/%Y:%T %z}t`.

use super::FieldKind;

/// What a part of such a format becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text that stands in every line.
    Literal(&'a str),
    /// A whole time, of a kind that is understood.
    Time(FieldKind),
    /// Anything else: a text, and the part of the format that writes it.
    Text(&'a str),
}

/// Formats that write a time of a known kind. The first occurrence of one decides.
const KNOWN: [(&str, FieldKind); 9] = [
    ("%d/%b/%Y:%H:%M:%S %z", FieldKind::ClfTime),
    ("%d/%b/%Y:%T %z", FieldKind::ClfTime),
    ("%d/%h/%Y:%H:%M:%S %z", FieldKind::ClfTime),
    ("%d/%h/%Y:%T %z", FieldKind::ClfTime),
    ("%Y-%m-%dT%H:%M:%S%z", FieldKind::IsoTime),
    ("%Y-%m-%dT%T%z", FieldKind::IsoTime),
    ("%FT%H:%M:%S%z", FieldKind::IsoTime),
    ("%FT%T%z", FieldKind::IsoTime),
    ("%s", FieldKind::EpochTime(0)),
];

/// Cuts a format into parts. Text is cut at blanks where a blank ends the field, since it could not be told apart
/// from one that is part of the time.
pub(super) fn parts(format: &str, blank_follows: bool) -> Vec<Part<'_>> {
    let known = KNOWN.iter().find_map(|&(known, kind)| {
        let (before, after) = format.split_once(known)?;
        // Literals around it only: `%%s` is no `%s`.
        (!before.contains('%') && !after.contains('%')).then_some([
            Part::Literal(before),
            Part::Time(kind),
            Part::Literal(after),
        ])
    });
    if let Some(parts) = known {
        return parts.into_iter().filter(|part| *part != Part::Literal("")).collect();
    }
    if !blank_follows {
        return vec![Part::Text(format)];
    }
    let mut parts = Vec::new();
    for word in format.split_inclusive(' ') {
        let text = word.trim_end_matches(' ');
        // Literals at the ends belong to no field.
        match text.contains('%') {
            true => parts.push(Part::Text(text)),
            false => parts.push(Part::Literal(text)),
        }
        parts.push(Part::Literal(&word[text.len()..]));
    }
    parts.retain(|part| *part != Part::Literal(""));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_understood() {
        use Part::{Literal, Time};
        for (format, expected) in [
            ("%d/%b/%Y:%H:%M:%S %z", vec![Time(FieldKind::ClfTime)]),
            ("[%d/%b/%Y:%T %z]", vec![Literal("["), Time(FieldKind::ClfTime), Literal("]")]),
            ("%Y-%m-%dT%H:%M:%S%z", vec![Time(FieldKind::IsoTime)]),
            ("%FT%T%z", vec![Time(FieldKind::IsoTime)]),
            ("%s", vec![Time(FieldKind::EpochTime(0))]),
            ("t=%s", vec![Literal("t="), Time(FieldKind::EpochTime(0))]),
        ] {
            assert_eq!(parts(format, false), expected, "{format}");
            assert_eq!(parts(format, true), expected, "{format}");
        }
    }

    #[test]
    fn others_are_text() {
        use Part::{Literal, Text};
        assert_eq!(parts("%Y-%m-%d %T", false), [Text("%Y-%m-%d %T")]);
        assert_eq!(parts("%Y-%m-%d %T", true), [Text("%Y-%m-%d"), Literal(" "), Text("%T")]);
        assert_eq!(parts("at %T", true), [Literal("at"), Literal(" "), Text("%T")]);
        assert_eq!(parts("%%s", true), [Text("%%s")]);
        assert_eq!(parts("%s.%Y", true), [Text("%s.%Y")]);
        assert_eq!(parts("", true), []);
    }
}
