//! A plain scan of an evalscript for what decides its price. It is no JavaScript parser, and on purpose
//! not the one that the guard predicts with.

/// How many looks at a place go into a pixel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Mosaicking {
    #[default]
    Simple,
    Orbit,
    Tile,
}

/// One entry of `input`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Input {
    datasource: Option<String>,
    bands: Vec<String>,
    pub(super) mosaicking: Mosaicking,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Script {
    pub(super) inputs: Vec<Input>,
    /// Whether an output is declared to hold floats; `None`: no output says what it holds.
    pub(super) floats: Option<bool>,
    pub(super) outputs: Vec<String>,
    pub(super) output_bands: u16,
}

impl Input {
    /// Distinct bands; the data mask counts only when it is all there is.
    pub(super) fn billable_bands(&self) -> usize {
        let mut bands: Vec<&str> = self.bands.iter().map(String::as_str).collect();
        bands.retain(|band| *band != "dataMask");
        bands.sort_unstable();
        bands.dedup();
        bands.len().max(1)
    }
}

impl Script {
    pub(super) fn read(text: &str) -> Self {
        let text = without_comments(text);
        let Some(setup) = text.find("setup").and_then(|at| text.get(at..)) else {
            return Self::simple(&text);
        };
        if let Some(components) = value_of(setup, "setInputComponents(") {
            return Self::version_2(components);
        }
        let mosaicking = outer_mosaicking(setup);
        let samples: Vec<bool> = values_of(setup, "sampleType")
            .map(|kind| word(kind) == "FLOAT32")
            .collect();
        let output = value_of(setup, "output").unwrap_or_default();
        let ids: Vec<String> = values_of(output, "id")
            .map(|id| word(id).to_owned())
            .collect();
        let counts = values_of(output, "bands").filter_map(|count| word(count).parse().ok());
        Self {
            inputs: inputs(
                value_of(setup, "input").unwrap_or_default(),
                &text,
                mosaicking,
            ),
            floats: samples.iter().copied().reduce(|one, other| one || other),
            outputs: if ids.is_empty() {
                vec!["default".to_owned()]
            } else {
                ids
            },
            output_bands: counts.max().unwrap_or(1),
        }
    }

    /// The input that a collection is read by.
    pub(super) fn input_for(&self, id: Option<&str>, several: bool) -> Input {
        let named = self
            .inputs
            .iter()
            .find(|input| input.datasource.is_some() && input.datasource.as_deref() == id);
        if let Some(input) = named {
            return input.clone();
        }
        match self.inputs.as_slice() {
            [] => Input::default(),
            [only] if !several || only.datasource.is_none() => only.clone(),
            inputs => Input {
                bands: inputs
                    .iter()
                    .flat_map(|input| input.bands.clone())
                    .collect(),
                ..inputs.first().cloned().unwrap_or_default()
            },
        }
    }

    /// A script without `setup`: the bands are the names in it that bands have.
    fn simple(text: &str) -> Self {
        let names =
            text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let bands = names
            .filter(|name| is_band(name))
            .map(str::to_owned)
            .collect();
        Self::of_bands(bands)
    }

    fn version_2(components: &str) -> Self {
        let names = components.split(['[', ']', ',', '(', ')']).map(str::trim);
        let bands = names
            .filter_map(|name| name.split('.').nth(1))
            .map(str::to_owned);
        Self::of_bands(bands.collect())
    }

    fn of_bands(bands: Vec<String>) -> Self {
        Self {
            inputs: vec![Input {
                bands,
                ..Input::default()
            }],
            floats: None,
            outputs: vec!["default".to_owned()],
            output_bands: 1,
        }
    }
}

fn is_band(name: &str) -> bool {
    const NAMED: [&str; 12] = [
        "VV", "VH", "HH", "HV", "DEM", "NO2", "CO", "O3", "SO2", "CH4", "HCHO", "B8A",
    ];
    let numbered = name.strip_prefix('B').is_some_and(|digits| {
        digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    numbered || NAMED.contains(&name)
}

fn inputs(list: &str, script: &str, mosaicking: Mosaicking) -> Vec<Input> {
    let objects = objects(list);
    if objects.is_empty() {
        return vec![Input {
            bands: strings(list),
            mosaicking,
            ..Input::default()
        }];
    }
    let input = |object: &str| Input {
        datasource: values_of(object, "datasource")
            .next()
            .map(|name| word(name).to_owned()),
        bands: value_of(object, "bands")
            .map(|bands| bands_of(bands, script))
            .unwrap_or_default(),
        mosaicking: values_of(object, "mosaicking")
            .next()
            .map_or(mosaicking, mosaicking_of),
    };
    objects.into_iter().map(input).collect()
}

/// The names in a list, or in the lists that constants stand for.
fn bands_of(value: &str, script: &str) -> Vec<String> {
    let mut bands = strings(value);
    for name in
        value.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
    {
        let constant = [format!("{name} = ["), format!("{name}=[")];
        let defined = constant.iter().find_map(|start| {
            let at = script.find(start.as_str())?;
            script.get(at + start.len() - 1..).and_then(enclosed)
        });
        if let (false, Some(list)) = (name.is_empty(), defined) {
            bands.extend(strings(list));
        }
    }
    bands
}

/// The mosaicking of the whole script: the first that stands outside of `input`.
fn outer_mosaicking(setup: &str) -> Mosaicking {
    let without_input = match value_of(setup, "input") {
        Some(input) => setup.replacen(input, "", 1),
        None => setup.to_owned(),
    };
    values_of(&without_input, "mosaicking")
        .next()
        .map(mosaicking_of)
        .unwrap_or_default()
}

fn mosaicking_of(value: &str) -> Mosaicking {
    match word(value).to_ascii_uppercase().as_str() {
        "ORBIT" => Mosaicking::Orbit,
        "TILE" => Mosaicking::Tile,
        _ => Mosaicking::Simple,
    }
}

/// What follows each `key:` in a text.
fn values_of<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(key).filter_map(move |(at, _)| {
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(|character| character.is_ascii_alphanumeric() || character == '_') {
            return None;
        }
        let rest = text
            .get(at + key.len()..)?
            .trim_start_matches(['"', '\'', ' ', '\n', '\r', '\t']);
        let rest = if key.ends_with('(') {
            rest
        } else {
            rest.strip_prefix(':')?
        };
        Some(rest.trim_start())
    })
}

/// The whole value of the first `key:`, brackets and all.
fn value_of<'a>(text: &'a str, key: &'a str) -> Option<&'a str> {
    let rest = values_of(text, key).next()?;
    if rest.starts_with(['[', '{']) {
        let list = enclosed(rest)?;
        // What is concatenated to a list belongs to it.
        let tail = rest.get(list.len()..)?;
        return match tail.strip_prefix(".concat") {
            Some(more) => rest.get(..list.len() + 7 + enclosed(more)?.len()),
            None => Some(list),
        };
    }
    let end = rest.find([',', '\n', '}', ';']).unwrap_or(rest.len());
    rest.get(..end)
}

/// From a bracket to the one that closes it.
fn enclosed(text: &str) -> Option<&str> {
    let mut depth = 0_u32;
    for (at, character) in text.char_indices() {
        match character {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return text.get(..=at);
        }
    }
    None
}

fn objects(list: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = list;
    while let Some(at) = rest.find('{') {
        let Some(object) = rest.get(at..).and_then(enclosed) else {
            break;
        };
        found.push(object);
        rest = rest.get(at + object.len()..).unwrap_or_default();
    }
    found
}

fn strings(list: &str) -> Vec<String> {
    let pieces = list.split(['"', '\'', '`']).skip(1).step_by(2);
    pieces.map(str::to_owned).collect()
}

/// The word of `"FLOAT32"`, `SampleType.FLOAT32` or `3`.
fn word(value: &str) -> &str {
    let value = value.trim_start_matches(['"', '\'', '`', ' ']);
    let end = value
        .find(|character: char| !character.is_ascii_alphanumeric() && !"_-.".contains(character));
    let word = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    word.rsplit('.').next().unwrap_or_default()
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        kept.push_str(rest.get(..at).unwrap_or_default());
        let end = rest.get(at..).and_then(|tail| tail.find("*/"));
        rest = end
            .and_then(|end| rest.get(at + end + 2..))
            .unwrap_or_default();
    }
    kept.push_str(rest);
    let lines = kept
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_samples_and_mosaicking_are_found_as_scripts_write_them() {
        for (text, bands, floats, mosaicking) in [
            (
                "function setup() { return { input: ['B04', \"B08\"], output: { bands: 1 } } }",
                2,
                None,
                Mosaicking::Simple,
            ),
            (
                "//VERSION=3\nvar setup = () => ({ input: [{bands: [\"B04\", \"B08\", \"dataMask\"], units: \"DN\"}],\n \
              output: {bands: 3, sampleType: SampleType.FLOAT32}, mosaicking: Mosaicking.ORBIT })",
                2,
                Some(true),
                Mosaicking::Orbit,
            ),
            (
                "function setup(){return{input:[\"dataMask\"],output:{bands:1,sampleType:'UINT16'},mosaicking:'tile'}}",
                1,
                Some(false),
                Mosaicking::Tile,
            ),
            (
                "const all = ['B01', 'B02'];\nfunction setup() { return { input: [{ bands: all.concat(['B03']) }] } }",
                3,
                None,
                Mosaicking::Simple,
            ),
            (
                "function setup (dss) { setInputComponents([dss.B04, dss.B08]); setOutputComponentCount(1); }",
                2,
                None,
                Mosaicking::Simple,
            ),
            ("return [2.5 * B04, B03, B02];", 3, None, Mosaicking::Simple),
        ] {
            let script = Script::read(text);
            let input = script.input_for(None, false);
            assert_eq!(input.billable_bands(), bands, "{text}");
            assert_eq!(input.mosaicking, mosaicking, "{text}");
            assert_eq!(script.floats, floats, "{text}");
        }
    }

    #[test]
    fn each_datasource_has_its_own_bands_and_mosaicking() {
        let script = Script::read(
            "function setup() { return { input: [
                {datasource: 's2', bands: ['B02', 'B03'], mosaicking: 'ORBIT'},
                {datasource: \"s1\", bands: [\"VV\"]}],
              output: [{id: 'default', bands: 1}, {id: \"mask\", bands: 4}] } }",
        );
        assert_eq!(script.input_for(Some("s2"), true).billable_bands(), 2);
        assert_eq!(
            script.input_for(Some("s2"), true).mosaicking,
            Mosaicking::Orbit
        );
        assert_eq!(
            script.input_for(Some("s1"), true).mosaicking,
            Mosaicking::Simple
        );
        assert_eq!(script.outputs, ["default", "mask"]);
        assert_eq!(script.output_bands, 4);
    }

    #[test]
    fn nonsense_is_read_without_harm() {
        for text in [
            "",
            "setup",
            "setup input: [",
            "input: ]]]",
            "/* setup",
            "setup{input:{bands:[\"é",
            "}}}{{{",
        ] {
            let script = Script::read(text);
            assert!(
                script.input_for(Some("x"), true).billable_bands() >= 1,
                "{text}"
            );
        }
    }
}
