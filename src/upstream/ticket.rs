//! What a link of the guard's own stands for: a download that its holder must not find without the guard.

use std::fmt;

use crate::identity::Seal;
use crate::planet::Api;
use crate::units::UtcTime;

/// What sealed words begin with. Planet's own tokens never do.
const PREFIX: &str = "qgd_";

/// A download as a link holds it, sealed.
#[derive(Clone, Eq, PartialEq)]
pub struct Ticket {
    /// When the link behind it ends, where that says so.
    pub ends: Option<UtcTime>,
    /// The id of the key that it was given to.
    pub holder: String,
    /// The API that it was found in.
    pub api: Api,
    /// Planet's token, or the address in storage.
    pub goal: String,
}

/// What a ticket's goal is. One is no good for the other, nor for another upstream.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    Token,
    Address,
}

impl Ticket {
    /// The ticket as words for a URL; `None` for what is far too long for one.
    pub fn seal(&self, seal: &Seal, goal: Goal, upstream: &str) -> Option<String> {
        let ends = self.ends.map(|ends| ends.as_second().to_string());
        let text = [
            &*ends.unwrap_or_default(),
            &self.holder,
            self.api.name(),
            &self.goal,
        ];
        let words = seal.close(&purpose(goal, upstream), &text.join("\n"))?;
        Some(format!("{PREFIX}{words}"))
    }

    /// Whether words claim to be a ticket.
    pub fn is_meant(words: &str) -> bool {
        words.starts_with(PREFIX)
    }

    /// The ticket in words that are our own.
    pub fn open(seal: &Seal, goal: Goal, upstream: &str, words: &str) -> Option<Self> {
        let words = words.strip_prefix(PREFIX)?;
        let text = seal.open(&purpose(goal, upstream), words)?;
        let mut parts = text.splitn(4, '\n');
        let [ends, holder, api, goal] = [(); 4].map(|()| parts.next());
        let api = Api::ALL.iter().find(|known| api == Some(known.name()))?;
        Some(Self {
            ends: match ends? {
                "" => None,
                ends => Some(UtcTime::from_second(ends.parse().ok()?).ok()?),
            },
            holder: holder?.to_owned(),
            api: *api,
            goal: goal?.to_owned(),
        })
    }
}

fn purpose(goal: Goal, upstream: &str) -> String {
    let goal = match goal {
        Goal::Token => "download token",
        Goal::Address => "download address",
    };
    format!("{goal} of {upstream}")
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, …)", self.api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Secret;

    #[test]
    fn a_ticket_opens_as_it_was_sealed_and_for_nothing_else() {
        let seal = Seal::new([Secret::from_text("upstream").unwrap()].iter()).unwrap();
        for ends in [None, Some("2026-06-01T11:15:00Z".parse().unwrap())] {
            let ticket = Ticket {
                ends,
                holder: "ag-1".into(),
                api: Api::Orders,
                goal: "https://storage.example/b?a=1\nb".into(),
            };
            let words = ticket.seal(&seal, Goal::Address, "planet").unwrap();
            assert!(Ticket::is_meant(&words) && !words.contains("storage"));
            let open = |goal, upstream, words: &str| Ticket::open(&seal, goal, upstream, words);
            assert_eq!(open(Goal::Address, "planet", &words), Some(ticket));
            assert_eq!(open(Goal::Token, "planet", &words), None);
            assert_eq!(open(Goal::Address, "eu", &words), None);
            assert_eq!(open(Goal::Address, "planet", &words[4..]), None);
        }
    }
}
