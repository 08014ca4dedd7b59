//! `budgets`: how every budget in force stands.

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Client, Reach};
use super::table::{Column, table};
use super::{piece, print_list};

#[derive(Args, Debug)]
pub(in crate::cli) struct Budgets {
    #[command(flatten)]
    reach: Reach,
    /// Only this one.
    #[arg(long, value_name = "NAME")]
    budget: Option<String>,
    /// Only those in this state: ok, low, exhausted, over or unlimited.
    #[arg(long)]
    state: Option<String>,
}

/// Numbers stay as they came: a table shows what the guard said, to the last digit.
#[derive(Deserialize)]
struct Row {
    name: String,
    partition: String,
    unit: String,
    limit: Option<Box<RawValue>>,
    top_up: Box<RawValue>,
    settled: Box<RawValue>,
    held: Box<RawValue>,
    unknown: Box<RawValue>,
    overrun: Box<RawValue>,
    remaining: Option<Box<RawValue>>,
    percent: Option<Box<RawValue>>,
    state: String,
    days_left: Option<i64>,
    exhausts_at: Option<String>,
}

const COLUMNS: [Column; 14] = [
    Column::Left("BUDGET"),
    Column::Left("FOR"),
    Column::Left("UNIT"),
    Column::Right("LIMIT"),
    Column::Right("TOP-UP"),
    Column::Right("SETTLED"),
    Column::Right("HELD"),
    Column::Right("UNKNOWN"),
    Column::Right("OVERRUN"),
    Column::Right("LEFT"),
    Column::Right("%"),
    Column::Left("STATE"),
    Column::Right("DAYS"),
    Column::Left("RUNS OUT"),
];

impl Budgets {
    pub(in crate::cli) async fn run(&self) -> anyhow::Result<()> {
        let filters = [("budget", &self.budget), ("state", &self.state)];
        let given = filters.iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(format!("{name}={}", piece(value)))
        });
        let query = given.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let client = Client::new(&self.reach)?;
        let items = client
            .list(&format!("/api/v1/budgets{mark}{query}"))
            .await?;
        if self.reach.json {
            print_list(&items);
            return Ok(());
        }
        let rows = items.iter().map(|item| {
            let row: Row = client.read(item.get().as_bytes())?;
            Ok(row.cells())
        });
        let rows: Vec<_> = rows.collect::<anyhow::Result<_>>()?;
        if rows.is_empty() {
            println!("no budget to show");
        } else {
            print!("{}", table(COLUMNS, &rows));
        }
        Ok(())
    }
}

impl Row {
    fn cells(self) -> [String; 14] {
        let or_none = |number: Option<Box<RawValue>>| {
            number.map_or_else(|| "-".into(), |number| number.get().to_owned())
        };
        [
            self.name,
            self.partition,
            self.unit,
            or_none(self.limit),
            self.top_up.get().to_owned(),
            self.settled.get().to_owned(),
            self.held.get().to_owned(),
            self.unknown.get().to_owned(),
            self.overrun.get().to_owned(),
            or_none(self.remaining),
            or_none(self.percent),
            self.state,
            self.days_left
                .map_or_else(|| "-".into(), |days| days.to_string()),
            self.exhausts_at.unwrap_or_else(|| "-".into()),
        ]
    }
}
