//! Values that stand as texts in the file and are checked while they are read, so that the error points
//! at the text itself.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};

use super::suggest;
use crate::planet::Api;
use crate::units::{ByteCount, UtcTime};

/// A value written as a text. The error is what is wrong and, on a second line, what to write.
pub(super) trait Text: Sized {
    const EXPECTED: &str;
    fn read(text: &str) -> Result<Self, String>;
}

/// Reads a [`Text`]; the failure happens inside the visitor, where the TOML reader knows the place.
pub(super) fn read<'de, T: Text, D: Deserializer<'de>>(reader: D) -> Result<T, D::Error> {
    struct Visitor<T>(PhantomData<T>);
    impl<T: Text> de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            T::read(text).map_err(E::custom)
        }
    }
    reader.deserialize_str(Visitor(PhantomData))
}

/// Lets serde read each of these as a [`Text`].
macro_rules! texts {
    ($($name:ty),+ $(,)?) => {
        $(impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                $crate::policy::text::read(reader)
            }
        })+
    };
}
pub(super) use texts;

texts!(Name, KeyHash, Size, Span, ApiName, PassThrough);

/// A name for a team, key, budget or upstream: fit for a header, a metric label and a partition.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Name(pub(super) Arc<str>);

impl Text for Name {
    const EXPECTED: &str = "a name in quotes";

    fn read(text: &str) -> Result<Self, String> {
        const LONGEST: usize = 64;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(fits) {
            return Err(format!(
                "this cannot be a name\nwrite 1 to {LONGEST} letters, digits, '-', '_' or '.'"
            ));
        }
        Ok(Self(text.into()))
    }
}

/// The SHA-256 of a key. It finds the key again without the policy ever holding it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Text for KeyHash {
    const EXPECTED: &str = "64 hexadecimal digits in quotes";

    fn read(text: &str) -> Result<Self, String> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let bytes = digits.filter(|digits| digits.len() == 64).map(|digits| {
            std::array::from_fn(|position| digits[2 * position] << 4 | digits[2 * position + 1])
        });
        // The text is not repeated: somebody may have written the key itself.
        bytes.map(Self).ok_or_else(|| {
            "this is not a SHA-256\nwrite its 64 hexadecimal digits; `quota-guard key new` prints them"
                .into()
        })
    }
}

/// `16MiB`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) ByteCount);

impl Text for Size {
    const EXPECTED: &str = "a size such as \"16MiB\"";

    fn read(text: &str) -> Result<Self, String> {
        let scales = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("B", 1),
        ];
        scaled(text, &scales)
            .map(|bytes| Self(ByteCount(bytes)))
            .ok_or_else(|| {
                format!(
                    "'{text}' is not a size\nwrite a whole number above 0 and B, KiB, MiB or GiB"
                )
            })
    }
}

/// `10s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub(super) Duration);

impl Text for Span {
    const EXPECTED: &str = "a time such as \"10s\"";

    fn read(text: &str) -> Result<Self, String> {
        let scales = [
            ("ms", 1),
            ("s", 1_000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ];
        scaled(text, &scales)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| {
                format!("'{text}' is not a time\nwrite a whole number above 0 and ms, s, m, h or d")
            })
    }
}

/// A positive whole number times what its suffix stands for, if there is room for it.
fn scaled(text: &str, scales: &[(&str, u64)]) -> Option<u64> {
    const MOST: u64 = 1 << 40;
    let (number, scale) = scales
        .iter()
        .find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?.trim_end(), *scale)))?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = u64::from_str(number).ok().filter(|_| digits)?;
    let all = number.checked_mul(scale)?;
    (1..=MOST).contains(&all).then_some(all)
}

/// The name of an API of Planet's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ApiName(pub(super) Api);

impl Text for ApiName {
    const EXPECTED: &str = "the name of an API in quotes";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|()| {
            let known: Vec<&str> = Api::ALL.iter().map(|api| api.name()).collect();
            let rule = suggest::among(text, &known, "APIs are");
            format!("unknown API '{text}'\n{rule}")
        })
    }
}

/// The word `pass-through`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassThrough;

impl Text for PassThrough {
    const EXPECTED: &str = "\"pass-through\" or a table in braces";

    fn read(text: &str) -> Result<Self, String> {
        if text == "pass-through" {
            return Ok(Self);
        }
        // The text is not repeated: somebody may have written the credential itself.
        Err(
            "this is no credential\nwrite \"pass-through\" or { api_key = { env = \"NAME\" } }"
                .into(),
        )
    }
}

/// A TOML date and time with its offset from UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub(super) UtcTime);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let written = toml::value::Datetime::deserialize(reader)?;
        written.to_string().parse().map(Self).map_err(|_| {
            de::Error::custom(format_args!(
                "'{written}' is not a moment\nwrite date, time and offset without quotes: 2027-01-01T00:00:00Z"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_headers_and_partitions() {
        for good in ["agriculture", "team-1", "a.b_C"] {
            assert!(Name::read(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a,b", "a=b", "\"", "é", &"x".repeat(65)] {
            assert!(Name::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_hash_prints_as_it_was_read() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(KeyHash::read(&text).unwrap().to_string(), text);
        assert_eq!(KeyHash::read(&text.to_uppercase()), KeyHash::read(&text));
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
            let error = KeyHash::read(bad).unwrap_err();
            assert!(error.contains("64 hexadecimal"), "{error}");
        }
    }

    #[test]
    fn sizes_and_times_are_whole_and_positive() {
        assert_eq!(Size::read("16MiB").unwrap().0, ByteCount(16 << 20));
        assert_eq!(Size::read("7 B").unwrap().0, ByteCount(7));
        assert_eq!(Span::read("10s").unwrap().0, Duration::from_secs(10));
        assert_eq!(Span::read("250ms").unwrap().0, Duration::from_millis(250));
        assert_eq!(Span::read("2m").unwrap().0, Duration::from_mins(2));
        for bad in [
            "0B",
            "1.5MiB",
            "-1KiB",
            "+1B",
            "16",
            "MiB",
            "99999999999GiB",
        ] {
            assert!(Size::read(bad).is_err(), "{bad}");
        }
        for bad in ["0s", "10", "1w", "s", "999999999999d"] {
            assert!(Span::read(bad).is_err(), "{bad}");
        }
    }
}
