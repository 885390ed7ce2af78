//! The formats that have a name.

use std::sync::LazyLock;

use super::{Field, FieldKind, LogFormat, Segment};
use crate::schema::{self, Column};

/// `(name, Apache LogFormat string)`; nginx's `main` is combined with one more header.
const BUILT_IN: [(&str, &str); 5] = [
    ("common", r#"%h %l %u %t "%r" %>s %b"#),
    ("combined", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#),
    ("vhost_common", r#"%v:%p %h %l %u %t "%r" %>s %b"#),
    ("vhost_combined", r#"%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#),
    ("nginx_main", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i""#),
];

impl LogFormat {
    /// The names of the built-in formats.
    pub const BUILT_IN: [&'static str; 5] = {
        let mut names = [""; 5];
        let mut index = 0;
        while index < BUILT_IN.len() {
            names[index] = BUILT_IN[index].0;
            index += 1;
        }
        names
    };

    /// The built-in format of a name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        static FORMATS: LazyLock<[LogFormat; BUILT_IN.len()]> =
            LazyLock::new(|| BUILT_IN.map(|(name, pattern)| LogFormat::compose(name, pattern)));
        FORMATS.iter().find(|format| format.name() == name).cloned()
    }

    fn compose(name: &str, pattern: &str) -> Self {
        let field = |kind, columns: &[Column]| Segment::Field(Field::known(kind, columns));
        let text = |literal: &str| Segment::Literal(literal.as_bytes().to_vec());
        let mut segments = Vec::new();
        if name.starts_with("vhost") {
            segments.push(field(FieldKind::VhostPort, &[schema::VHOST, schema::VHOST_PORT]));
            segments.push(text(" "));
        }
        segments.extend([
            field(FieldKind::Host, &[schema::HOST]),
            text(" "),
            field(FieldKind::Text, &[schema::IDENT]),
            text(" "),
            field(FieldKind::User, &[schema::AUTHUSER]),
            text(" ["),
            field(FieldKind::ClfTime, &[schema::TS, schema::TZ_OFFSET]),
            text("] \""),
            field(FieldKind::Request, &[schema::METHOD, schema::PATH, schema::QUERY, schema::PROTOCOL]),
            text("\" "),
            field(FieldKind::Status, &[schema::STATUS]),
            text(" "),
            field(FieldKind::Bytes, &[schema::BYTES]),
        ]);
        let headers: &[Column] = match name {
            "common" | "vhost_common" => &[],
            "nginx_main" => &[schema::REFERER, schema::USER_AGENT, schema::X_FORWARDED_FOR],
            _ => &[schema::REFERER, schema::USER_AGENT],
        };
        for (index, header) in headers.iter().enumerate() {
            segments.push(text(if index == 0 { " \"" } else { "\" \"" }));
            segments.push(field(FieldKind::Text, std::slice::from_ref(header)));
        }
        if !headers.is_empty() {
            segments.push(text("\""));
        }
        Self::from_segments(name, pattern, segments).expect("the built-in formats are well formed")
    }
}

/// One constructor a name.
macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        impl LogFormat {
            $($(#[$doc])*
            #[must_use]
            pub fn $name() -> Self {
                Self::built_in(stringify!($name)).expect("a name of the table")
            })+
        }
    };
}

constructors!(
    /// The Common Log Format of the NCSA server and Apache: `host ident authuser [time] "request" status bytes`.
    common,
    /// Common, then quoted `Referer` and `User-Agent`: Apache's and nginx's usual format.
    combined,
    /// The virtual host, with or without a port, then [`LogFormat::common`].
    vhost_common,
    /// The virtual host, with or without a port, then [`LogFormat::combined`]: Debian's Apache.
    vhost_combined,
    /// nginx's `main`: [`LogFormat::combined`] with a quoted `X-Forwarded-For`.
    nginx_main,
);
