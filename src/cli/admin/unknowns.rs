//! `unknowns`: the worklist of what is in doubt, and a person's word on how one of them ended.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Client, Reach};
use super::table::{Column, table};
use super::{piece, print_list};
use crate::units::{Amount, Amounts, Unit};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = false)]
pub(in crate::cli) struct Unknowns {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    order: Option<Order>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Say what one of them was charged.
    Resolve {
        id: String,
        /// What was charged: 26.5, or pu=26.5,aum=10 where several units are at stake.
        #[arg(long)]
        amount: Said,
        /// How you know, for the record.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
enum Said {
    One(Amount),
    Each(Amounts),
}

impl FromStr for Said {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            let amount = text.parse::<Amount>();
            return amount.map(Self::One).map_err(|cause| cause.to_string());
        }
        let mut each = Amounts::default();
        for pair in text.split(',') {
            let pair = pair.trim();
            let (unit, amount) = pair
                .split_once('=')
                .ok_or_else(|| format!("'{pair}' is no UNIT=AMOUNT"))?;
            let known: Unit = unit.parse().map_err(|()| {
                let units = Unit::ALL.map(Unit::name).join(", ");
                format!("'{unit}' is no unit: units are {units}")
            })?;
            if each.get(known).is_some() {
                return Err(format!("{known} is given twice"));
            }
            let amount = amount
                .parse::<Amount>()
                .map_err(|cause| cause.to_string())?;
            each.set(known, amount);
        }
        Ok(Self::Each(each))
    }
}

#[derive(Serialize)]
struct Resolution<'a> {
    amount: &'a Said,
    reason: &'a str,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    team: String,
    key: Option<String>,
    api: String,
    product: Option<String>,
    tag: Option<String>,
    predicted: BTreeMap<Unit, Box<RawValue>>,
    at: String,
    why: String,
}

#[derive(Deserialize)]
struct Resolved {
    id: String,
    charged: BTreeMap<Unit, Box<RawValue>>,
    budgets: Vec<Left>,
}

#[derive(Deserialize)]
struct Left {
    budget: String,
    partition: String,
    unit: Unit,
    remaining: Option<Box<RawValue>>,
}

const COLUMNS: [Column; 9] = [
    Column::Left("ID"),
    Column::Left("WHEN"),
    Column::Left("TEAM"),
    Column::Left("KEY"),
    Column::Left("API"),
    Column::Left("PRODUCT"),
    Column::Left("TAG"),
    Column::Left("PREDICTED"),
    Column::Left("WHY"),
];

impl Unknowns {
    pub(in crate::cli) async fn run(&self) -> anyhow::Result<()> {
        let client = Client::new(&self.reach)?;
        match &self.order {
            None => self.list(&client).await,
            Some(Order::Resolve { id, amount, reason }) => {
                self.resolve(&client, id, &Resolution { amount, reason })
                    .await
            }
        }
    }

    async fn list(&self, client: &Client) -> anyhow::Result<()> {
        let items = client.list("/api/v1/unknowns").await?;
        if self.reach.json {
            print_list(&items);
            return Ok(());
        }
        let rows = items.iter().map(|item| client.read(item.get().as_bytes()));
        let rows: Vec<Row> = rows.collect::<anyhow::Result<_>>()?;
        if rows.is_empty() {
            println!("nothing is in doubt");
            return Ok(());
        }
        let sum = sum(&rows);
        let cells: Vec<_> = rows.into_iter().map(Row::cells).collect();
        print!("{}", table(COLUMNS, &cells));
        println!("{} in doubt, which count as spent: {sum}", cells.len());
        Ok(())
    }

    async fn resolve(
        &self,
        client: &Client,
        id: &str,
        order: &Resolution<'_>,
    ) -> anyhow::Result<()> {
        let path = format!("/api/v1/unknowns/{}/resolve", piece(id));
        let text = client.order(&path, serde_json::to_string(order)?).await?;
        let resolved: Resolved = client.read(&text)?;
        if self.reach.json {
            println!("{}", String::from_utf8_lossy(&text));
            return Ok(());
        }
        println!("{} was charged {}", resolved.id, shown(&resolved.charged));
        for left in &resolved.budgets {
            println!("{left}");
        }
        Ok(())
    }
}

impl Row {
    fn cells(self) -> [String; 9] {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        [
            self.id,
            self.at,
            self.team,
            or_none(self.key),
            self.api,
            or_none(self.product),
            or_none(self.tag),
            shown(&self.predicted),
            self.why,
        ]
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.budget)?;
        if !self.partition.is_empty() {
            write!(f, " ({})", self.partition)?;
        }
        match &self.remaining {
            None => write!(f, ": without a limit"),
            Some(left) => write!(f, ": {} {} left", left.get(), self.unit.label()),
        }
    }
}

fn shown(amounts: &BTreeMap<Unit, Box<RawValue>>) -> String {
    if amounts.is_empty() {
        return "nothing".into();
    }
    let amounts = amounts
        .iter()
        .map(|(unit, amount)| format!("{unit}={}", amount.get()));
    amounts.collect::<Vec<_>>().join(", ")
}

/// What cannot be added up is left out of the sum, never out of the list.
fn sum(rows: &[Row]) -> Amounts {
    let mut sum = Amounts::default();
    for (unit, amount) in rows.iter().flat_map(|row| &row.predicted) {
        let before = sum.get(*unit).unwrap_or_default();
        let more: Amount = amount.get().parse().unwrap_or_default();
        sum.set(*unit, before.saturating_add(more));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_one_number_or_one_for_each_unit() {
        let json = |text: &str| {
            let said: Said = text.parse().unwrap();
            serde_json::to_string(&said).unwrap()
        };
        assert_eq!(json("9223372036854.775807"), "9223372036854.775807");
        assert_eq!(json("aum=0, pu=1.5"), "{\"pu\":1.5,\"aum\":0}");
        for (wrong, words) in [
            ("", "not a plain decimal"),
            ("-1", "not a plain decimal"),
            ("pu=1,eur=2", "'eur' is no unit"),
            ("pu=1,2", "'2' is no UNIT=AMOUNT"),
            ("pu=1,pu=2", "given twice"),
            ("pu=x", "not a plain decimal"),
        ] {
            let said = wrong.parse::<Said>().unwrap_err();
            assert!(said.contains(words), "{wrong}: {said}");
        }
    }
}
