//! [`RequestId`]: the name a request has in answers, logs and the books.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{AccountKey, Epoch};
use crate::units::UtcTime;

/// Names one request. Ids sort by arrival, to the millisecond, so that an index on them grows at its end.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(uuid::Uuid);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "'{text}' is not a request id: 32 hexadecimal digits, as in the Quota-Guard-Request header"
)]
pub struct InvalidRequestId {
    text: String,
}

impl RequestId {
    /// A version 7 UUID of `now` and ten bytes that nobody can guess.
    pub fn new(now: UtcTime, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0); // before 1970 nothing arrives
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The name under which a lease stands in the worklist when its replica has gone: whoever knows the
    /// life, when it began and the account can tell it.
    pub fn of_lease(epoch: Epoch, began_at: UtcTime, account: &AccountKey) -> Self {
        let AccountKey {
            budget,
            partition,
            unit,
            starts_at,
        } = account;
        let epoch = epoch.number();
        let name = format!("{epoch}\n{budget}\n{partition}\n{unit}\n{starts_at}");
        Self::of_name(began_at, &name)
    }

    /// Of what is no request and stands in the books as one: whoever knows its name and its time can tell it.
    pub(super) fn of_name(at: UtcTime, name: &str) -> Self {
        let digest = Sha256::digest(name);
        let mut tail = [0; 10];
        tail.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        Self::new(at, tail)
    }

    pub const fn from_uuid(id: uuid::Uuid) -> Self {
        Self(id)
    }

    pub const fn as_uuid(&self) -> uuid::Uuid {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| InvalidRequestId { text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    #[test]
    fn ids_sort_by_arrival_whatever_their_random_part() {
        let early = RequestId::new(at("2026-11-22T03:00:00.001Z"), [0xff; 10]);
        let late = RequestId::new(at("2026-11-22T03:00:00.002Z"), [0x00; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn an_id_reads_back_as_it_prints() {
        let id = RequestId::new(at("2026-11-22T03:00:00Z"), [7; 10]);
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse(), Ok(id));
        let wrong = "42".parse::<RequestId>().unwrap_err();
        assert!(wrong.to_string().starts_with("'42' is not a request id"));
    }
}
