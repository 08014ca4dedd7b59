//! `GET /api/v1/budgets`: how every budget in force stands.

use http::Uri;

use super::Admin;
use super::problem::Problem;
use super::query::{Page, Query};
use super::standing::{Books, Standing, State, standings};
use crate::units::UtcTime;

impl Admin {
    pub(super) async fn budgets(&self, uri: &Uri, now: UtcTime) -> Result<Page<Standing>, Problem> {
        let query = Query::read(uri, &["budget", "state"])?;
        let (limit, budget) = (query.limit()?, query.text("budget"));
        if let Some(name) = budget {
            self.known_budget(name)?;
        }
        let state = query.text("state").map(known_state).transpose()?;
        let after = query.text("after").map(place).transpose()?;
        let all = standings(&self.policy, self.books().await?, now);
        let wanted = all.into_iter().filter(|standing| {
            budget.is_none_or(|budget| *standing.name == *budget)
                && state.is_none_or(|state| standing.state == state)
                && after.is_none_or(|after| (&*standing.name, &*standing.partition) > after)
        });
        let items = wanted.take(limit + 1).collect();
        Ok(query.page(items, limit, Standing::place))
    }

    pub(super) async fn books(&self) -> Result<Books, Problem> {
        Ok(Books {
            balances: self.ledger.balances().await?,
            top_ups: self.ledger.top_ups().await?,
            published: self.ledger.published().await?,
        })
    }
}

fn known_state(name: &str) -> Result<State, Problem> {
    let known = State::ALL.into_iter().find(|state| state.name() == name);
    known.ok_or_else(|| {
        let all = State::ALL.map(State::name).join(", ");
        Problem::bad_request(format!("This is no state of a budget: states are {all}."))
    })
}

/// A name cannot hold the colon, so what stands before the first is the name.
fn place(text: &str) -> Result<(&str, &str), Problem> {
    let place = text.split_once(':');
    place.ok_or_else(|| {
        Problem::bad_request("This is no place in the list: follow `next` as it was given.")
    })
}
