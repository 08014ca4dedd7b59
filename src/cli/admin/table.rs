//! Tables for people: columns as wide as what stands in them, numbers to the right.

/// A column's title, and where its cells stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Left(&'static str),
    Right(&'static str),
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Left(title) | Self::Right(title) => title,
        }
    }
}

/// One line for the titles and one for each row. What a caller chose cannot move the cursor.
pub(super) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let titles = columns.map(|column| column.title().to_owned());
    let rows: Vec<[String; N]> = std::iter::once(titles)
        .chain(rows.iter().map(|row| row.clone().map(|cell| plain(&cell))))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(columns)
            .enumerate()
            .map(|(position, (cell, column))| {
                let width = width(position);
                match column {
                    Column::Left(_) => format!("{cell:<width$}"),
                    Column::Right(_) => format!("{cell:>width$}"),
                }
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn plain(cell: &str) -> String {
    let shown = cell.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let columns = [
            Column::Left("NAME"),
            Column::Right("LEFT"),
            Column::Left("WHY"),
        ];
        let row = |cells: [&str; 3]| cells.map(ToOwned::to_owned);
        let rows = [row(["forêt", "9", "a\u{1b}[2Jb"]), row(["b", "10000", ""])];
        assert_eq!(
            table(columns, &rows),
            "NAME    LEFT  WHY\nforêt      9  a [2Jb\nb      10000\n"
        );
    }
}
