//! What an examination finds: a sentence for each thing it looked at.

use std::process::ExitCode;

use serde::Serialize;

/// Items of one finding that are told; of more, their number is.
const MOST_ITEMS: usize = 20;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Well,
    /// Nothing wrong, and worth knowing.
    Note,
    Unchecked,
    Wrong,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Finding {
    pub(super) check: String,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) items: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

#[derive(Serialize)]
struct Document<'a> {
    verdict: Verdict,
    findings: &'a [Finding],
}

impl Findings {
    pub(super) fn well(&mut self, check: &str, detail: impl Into<String>) {
        self.add(check, Verdict::Well, detail, Vec::new());
    }

    pub(super) fn note(&mut self, check: &str, detail: impl Into<String>, items: Vec<String>) {
        self.add(check, Verdict::Note, detail, items);
    }

    pub(super) fn wrong(&mut self, check: &str, detail: impl Into<String>, items: Vec<String>) {
        self.add(check, Verdict::Wrong, detail, items);
    }

    pub(super) fn unchecked(&mut self, check: &str, detail: impl Into<String>) {
        self.add(check, Verdict::Unchecked, detail, Vec::new());
    }

    /// Well where there are no `faults`.
    pub(super) fn judge(&mut self, check: &str, well: &str, wrong: &str, faults: Vec<String>) {
        if faults.is_empty() {
            self.well(check, well);
        } else {
            self.wrong(check, wrong, faults);
        }
    }

    fn add(
        &mut self,
        check: &str,
        verdict: Verdict,
        detail: impl Into<String>,
        mut items: Vec<String>,
    ) {
        let more = items.len().saturating_sub(MOST_ITEMS);
        items.truncate(MOST_ITEMS);
        if more > 0 {
            items.push(format!("and {more} more"));
        }
        self.0.push(Finding {
            check: check.to_owned(),
            verdict,
            detail: detail.into(),
            items,
        });
    }

    /// The gravest of them.
    fn verdict(&self) -> Verdict {
        let verdicts = self.0.iter().map(|finding| finding.verdict);
        verdicts.max().unwrap_or(Verdict::Unchecked)
    }

    /// Whether something was found wrong, or could not be looked at.
    pub(super) fn are_bad(&self) -> bool {
        !matches!(self.verdict(), Verdict::Well | Verdict::Note)
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self.verdict() {
            Verdict::Well | Verdict::Note => ExitCode::SUCCESS,
            Verdict::Wrong => ExitCode::FAILURE,
            Verdict::Unchecked => ExitCode::from(2),
        }
    }

    pub(super) fn json(&self) -> String {
        let document = Document {
            verdict: self.verdict(),
            findings: &self.0,
        };
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let width = self.0.iter().map(|finding| finding.check.len()).max();
        let width = width.unwrap_or(0);
        let mut lines = Vec::new();
        for finding in &self.0 {
            let mark = match finding.verdict {
                Verdict::Well => "ok   ",
                Verdict::Note => "note ",
                Verdict::Wrong => "WRONG",
                Verdict::Unchecked => "?    ",
            };
            let (check, detail) = (&finding.check, plain(&finding.detail));
            lines.push(format!("{mark} {check:<width$}  {detail}\n"));
            let items = finding.items.iter();
            lines.extend(items.map(|item| format!("      {:width$}  - {}\n", "", plain(item))));
        }
        lines.concat()
    }
}

/// What a caller chose cannot move the cursor.
fn plain(text: &str) -> String {
    let shown = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_finding_decides() {
        let mut findings = Findings::default();
        findings.well("store", "it is whole");
        findings.note("doubts", "two", vec!["a".into(), "b\u{7}".into()]);
        assert_eq!(findings.verdict(), Verdict::Note);
        findings.unchecked("planet", "it could not be reached");
        assert_eq!(findings.exit_code(), ExitCode::from(2));
        findings.judge("rows", "they add up", "one does not", vec!["org".into()]);
        assert_eq!(findings.exit_code(), ExitCode::FAILURE);
        assert_eq!(
            findings.text(),
            "ok    store   it is whole\n\
             note  doubts  two\n              - a\n              - b \n\
             ?     planet  it could not be reached\n\
             WRONG rows    one does not\n              - org\n"
        );
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let mut findings = Findings::default();
        findings.wrong("rows", "many", (0..30).map(|n| n.to_string()).collect());
        let items = &findings.0[0].items;
        assert_eq!((items.len(), &*items[20]), (21, "and 10 more"));
    }
}
