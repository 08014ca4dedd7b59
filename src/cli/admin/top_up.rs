//! `top-up`: allows more than a budget's limit, once.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Client, Reach};
use super::piece;
use crate::units::{Amount, Unit, UtcTime};

#[derive(Args, Debug)]
pub(in crate::cli) struct TopUp {
    #[command(flatten)]
    reach: Reach,
    /// The budget's name.
    budget: String,
    /// How much, in the budget's unit.
    #[arg(long)]
    amount: Amount,
    /// Why, for the record.
    #[arg(long)]
    reason: String,
    /// When what is left of it ends, as 2027-01-01T00:00:00Z; left out: when it is used up.
    #[arg(long, value_name = "TIME")]
    expires: Option<UtcTime>,
    /// To be sure of the budget's unit: pu, aum, km2, quota, tiles or requests.
    #[arg(long, value_parser = unit)]
    unit: Option<Unit>,
    /// Of a budget that is kept apart, the one that is meant, as team=agriculture.
    #[arg(long)]
    partition: Option<String>,
}

#[derive(Serialize)]
struct Order<'a> {
    amount: Amount,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<UtcTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<Unit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a str>,
}

#[derive(Deserialize)]
struct Ordered {
    budget: String,
    unit: Unit,
    amount: Box<RawValue>,
    expires: Option<String>,
    remaining: Option<Box<RawValue>>,
}

impl TopUp {
    pub(in crate::cli) async fn run(&self) -> anyhow::Result<()> {
        let client = Client::new(&self.reach)?;
        let order = Order {
            amount: self.amount,
            reason: &self.reason,
            expires: self.expires,
            unit: self.unit,
            partition: self.partition.as_deref(),
        };
        let path = format!("/api/v1/budgets/{}/top-ups", piece(&self.budget));
        let text = client
            .order_once(&path, serde_json::to_string(&order)?)
            .await?;
        let ordered: Ordered = client.read(&text)?;
        if self.reach.json {
            println!("{}", String::from_utf8_lossy(&text));
            return Ok(());
        }
        let Ordered {
            budget,
            unit,
            amount,
            expires,
            remaining,
        } = ordered;
        let until = expires.map_or_else(
            || ", until it is used up".to_owned(),
            |end| format!(", until {end}"),
        );
        let unit = unit.label();
        println!("{budget} may spend {} {unit} more{until}", amount.get());
        if let Some(left) = remaining {
            println!("{} {unit} are left now", left.get());
        }
        Ok(())
    }
}

fn unit(name: &str) -> Result<Unit, String> {
    name.parse().map_err(|()| {
        let units = Unit::ALL.map(Unit::name).join(", ");
        format!("units are {units}")
    })
}
