//! Scripts as people write them, and what must be read from each.

use proptest::prelude::*;

use super::*;

fn setup_of(script: &str) -> Setup {
    match read(script) {
        Script::Setup(setup) => setup,
        other => panic!("{script}\nwas read as {other:?}"),
    }
}

/// The bands of each input, `?` where they are computed.
fn bands_of(script: &str) -> Vec<String> {
    let inputs = setup_of(script).inputs.into_iter();
    inputs
        .map(|input| input.bands.map_or("?".into(), |bands| bands.join(" ")))
        .collect()
}

fn returning(object: &str) -> String {
    format!(
        "//VERSION=3\nfunction setup() {{ return {object}; }}\nfunction evaluatePixel(s) {{ return [s.B04]; }}"
    )
}

#[test]
fn bands_are_read_from_every_shape_of_input() {
    for (object, expected) in [
        (
            r#"{input: ["B02", 'B03', `B04`,], output: {bands: 3}}"#,
            vec!["B02 B03 B04"],
        ),
        (
            r#"{"input": [{"bands": ["B08", "dataMask"], units: "DN"}]}"#,
            vec!["B08 dataMask"],
        ),
        (r#"{input: {bands: ["B08"]}}"#, vec!["B08"]),
        (r#"{input: [{bands: "B08"}]}"#, vec!["B08"]),
        (r#"{input: [{bands: [["B04", "B08"]]}]}"#, vec!["B04 B08"]),
        (
            r#"{input: [{datasource: "a", bands: ["VV"]}, {datasource: "b", bands: ["B04"]}]}"#,
            vec!["VV", "B04"],
        ),
        (
            r#"{input: [{bands: ["B01"]}, "B02", "B03"]}"#,
            vec!["B01", "B02 B03"],
        ),
        (
            r#"{input: ["B01"], input: ["B02", "B03"]}"#,
            vec!["B02 B03"],
        ),
        (r#"{["input"]: ["B01"]}"#, vec!["B01"]),
        ("{output: {bands: 1}}", vec!["?"]),
        ("{input: wanted()}", vec!["?"]),
        ("{input: [{bands: [`B0${1}`]}]}", vec!["?"]),
    ] {
        assert_eq!(bands_of(&returning(object)), expected, "{object}");
    }
}

#[test]
fn setup_is_found_in_every_form_of_function() {
    for script in [
        "\u{feff}\n//VERSION=3\nfunction setup() { return {input: ['B04']} }",
        "// @version 3\nfunction setup(ds) { return {input: ['B04']} }",
        "var setup = function () { return {input: ['B04']} }",
        "const setup = () => ({input: ['B04']})",
        "let setup; setup = () => { const f = () => { return 1 }; return {input: ['B04']} }",
        "const config = {input: ['B04']}; function setup() { return config }",
        "const base = {input: ['B01']}; function setup() { return {...base, input: ['B04']} }",
    ] {
        assert_eq!(bands_of(script), ["B04"], "{script}");
        assert!(setup_of(script).exact, "{script}");
    }
}

#[test]
fn constants_are_followed() {
    for (before, bands, expected) in [
        ("const polar = ['VV', 'VH'];", "polar", "VV VH"),
        (
            "var a = ['B01'], b = a.concat(['B02', 'B03'], 'B04');",
            "b",
            "B01 B02 B03 B04",
        ),
        ("const a = ['B01'];", "[...a, 'B02']", "B01 B02"),
        ("const o = {list: ['B01', 'B02']};", "o.list", "B01 B02"),
        ("const a = Object.freeze(['B01']);", "a", "B01"),
    ] {
        let script =
            format!("{before}\nfunction setup() {{ return {{input: [{{bands: {bands}}}]}} }}");
        assert_eq!(bands_of(&script), [expected], "{script}");
        assert!(setup_of(&script).exact, "{script}");
    }
}

/// Shapes that published collections of scripts hold, beyond the plain ones.
#[test]
fn scripts_as_found_in_the_wild_are_read() {
    for (script, bands) in [
        (
            "// author: somebody\n//VERSION=3 (auto-converted from 1)\nlet minVal = 0.0;\n\
             function setup() {\n  return { // what goes in\n    input: [ /* all */ \"B02\", 'B03', // blue, green\n\
             \"B04\", ], output: { bands: 4 } };\n}",
            vec!["B02 B03 B04"],
        ),
        (
            "//VERSION=3\nconst RGB = ['B04', 'B03'], EXTRA = ['SCL'];\n\
             const setup = () => ({ input: [{ bands: [...RGB, ...EXTRA, 'dataMask'] }], output: { bands: 1 } });",
            vec!["B04 B03 SCL dataMask"],
        ),
        (
            "const common = { units: 'DN', mosaicking: 'ORBIT' };\n\
             function setup() { return { input: [{ ...common, datasource: 's1', bands: ['VV'] }, \
             { ...common, datasource: 's2', bands: ['B04', 'B08'] }], output: [{ id: 'default', bands: 1 }] } }",
            vec!["VV", "B04 B08"],
        ),
        (
            "var polar = ['VV', 'VH']; var setup = function () { return { input: [{ bands: polar, metadata: ['bounds'] }], \
             output: { bands: polar.length }, mosaicking: Mosaicking.ORBIT } }",
            vec!["VV VH"],
        ),
        (
            "const base = ['B02'];\nfunction setup() { const bands = base.concat(['B03'], ['B04']); \
             return { input: [{ bands: bands }], output: { bands: 3 } } }",
            vec!["B02 B03 B04"],
        ),
    ] {
        assert_eq!(bands_of(script), bands, "{script}");
    }
    let common = setup_of(
        "const common = { mosaicking: 'ORBIT' }; function setup() { return { input: [{ ...common, bands: ['VV'] }] } }",
    );
    assert_eq!(common.inputs[0].mosaicking, Some(Mosaicking::Orbit));
}

#[test]
fn what_wild_scripts_compute_counts_as_the_dearest_that_it_could_be() {
    let looped = setup_of(
        "const dates = ['a', 'b']; function setup() { let outs = []; for (const d of dates) \
         outs.push({ id: d, bands: 1, sampleType: 'UINT8' }); return { input: ['B04'], output: outs } }",
    );
    assert!(looped.sample_types.float32 && looped.output_bytes.is_none());
    for script in [
        "function bandsOf() { return ['B04'] } function setup() { return { input: [{ bands: bandsOf() }] } }",
        "const all = { red: 'B04' }; function setup() { return { input: Object.values(all) } }",
        "const names = 'B04,B08'; function setup() { return { input: names.split(',') } }",
        "const b = ['B0']; function setup() { return { input: b.map(x => x + '4') } }",
        "function setup() { return { input: [{ bands: ds === 1 ? ['B01'] : more() }] } }",
    ] {
        assert_eq!(bands_of(script), ["?"], "{script}");
    }
    let unreadable =
        "function setup() { return { input: ['B04'], output: { bands: 1 } } } if (a &lt; b) {}";
    assert!(matches!(read(unreadable), Script::Unreadable(_)));
    let tagged = read("//VERSION=3\nreturn [2.5 * B04, B03, B02]");
    let Script::Simple(simple) = tagged else {
        panic!("a tag makes no setup()")
    };
    assert_eq!(simple.names, ["B02", "B03", "B04"].map(Box::from));
}

#[test]
fn of_several_branches_the_dearest_counts_and_says_so() {
    for script in [
        "function setup() { let b; if (x) { b = ['B01'] } else { b = ['B02', 'B03'] } return {input: [{bands: b}]} }",
        "function setup() { return {input: x ? ['B01'] : ['B02', 'B03']} }",
        "function setup() { if (x) return {input: ['B01'], mosaicking: 'ORBIT'}; return {input: ['B02', 'B03']} }",
        "const b = ['B02', 'B03', 'B04']; function setup() { return {input: [{bands: b.filter(keep)}]} }",
    ] {
        let setup = setup_of(script);
        assert!(
            setup.inputs[0]
                .bands
                .as_ref()
                .is_some_and(|bands| bands.len() >= 2),
            "{script}"
        );
        assert!(!setup.exact, "{script}");
    }
    let both = setup_of(
        "function setup() { return x ? {input: [], mosaicking: 'TILE'} : {input: [], mosaicking: 'ORBIT'} }",
    );
    assert_eq!(both.mosaicking, Mosaicking::Tile);
}

#[test]
fn a_list_that_code_changes_is_not_taken_for_its_first_value() {
    for change in [
        "for (let i = 1; i < 9; i++) bands.push('B0' + i);",
        "bands[1] = 'B02';",
        "bands.length = 0;",
        "fill(bands);",
        "const same = bands; same.push('B02');",
        "[bands] = [other];",
        "bands += 'B02';",
        "for (bands of lists) {}",
    ] {
        let script = format!(
            "let bands = ['B01']; {change} function setup() {{ return {{input: [{{bands: bands}}]}} }}"
        );
        assert_eq!(bands_of(&script), ["?"], "{script}");
    }
}

#[test]
fn a_parameter_hides_what_has_its_name_outside() {
    let script =
        "const bands = ['B01']; function setup(ds, bands = all()) { return {input: bands} }";
    assert_eq!(bands_of(script), ["?"]);
    let renamed = "Mosaicking.SIMPLE = 'TILE'; function setup() { return {input: ['B01'], mosaicking: Mosaicking.SIMPLE} }";
    assert_eq!(setup_of(renamed).mosaicking, Mosaicking::Tile);
}

#[test]
fn mosaicking_and_sample_type_are_read_as_text_or_enumeration() {
    let setup = setup_of(&returning(
        "{input: ['B04'], mosaicking: Mosaicking.TILE, output: {sampleType: SampleType.FLOAT32}}",
    ));
    assert_eq!(setup.mosaicking, Mosaicking::Tile);
    assert_eq!(
        setup.sample_types,
        SampleTypes {
            float32: true,
            ..SampleTypes::default()
        }
    );
    let setup = setup_of(&returning(
        "{input: [{bands: ['B04'], mosaicking: 'ORBIT'}], output: [{id: 'a', sampleType: 'UINT16'}, {id: 'dataMask'}]}",
    ));
    assert_eq!(
        (setup.mosaicking, setup.inputs[0].mosaicking),
        (Mosaicking::Simple, Some(Mosaicking::Orbit))
    );
    assert_eq!(
        setup.sample_types,
        SampleTypes {
            up_to_16_bit: true,
            unstated: true,
            float32: false
        }
    );
    let computed = setup_of(&returning(
        "{input: ['B04'], mosaicking: pick(), output: outputs()}",
    ));
    assert_eq!(
        computed.mosaicking,
        Mosaicking::Tile,
        "what is computed counts as the dearest"
    );
    assert!(computed.sample_types.float32 && !computed.exact);
}

#[test]
fn scripts_of_the_older_versions_are_read() {
    let setup = setup_of(
        "//VERSION=2\nfunction setup(dss) { setInputComponents([dss.B04, dss.B08]); setOutputComponentCount(1); }",
    );
    assert_eq!(
        setup.inputs[0].bands.as_deref(),
        Some(&["B04".into(), "B08".into()][..])
    );
    let Script::Simple(simple) =
        read("var ndvi = (B08 - B04) / (B08 + B04);\nreturn [ndvi, Math.max(B04, 1)]")
    else {
        panic!("a script without setup() is simple");
    };
    assert_eq!(simple.names, ["B04", "B08", "Math", "ndvi"].map(Box::from));
    assert_eq!(simple.declared, [Box::from("ndvi")]);
}

#[test]
fn what_only_running_would_tell_is_unreadable_with_a_reason() {
    for (script, reason) in [
        ("function setup( {", "parsed"),
        ("function setup() { return build() }", "computed"),
        ("function setup() {}", "nothing"),
        (
            "function setup() { return {input: []} } function setup() { return {input: ['B01']} }",
            "more than once",
        ),
        (
            "function setup() { const s = {input: ['B01']}; s.mosaicking = 'TILE'; return s }",
            "computed",
        ),
        ("eval('B04'); return [B04]", "builds code"),
        (
            "function setup() { return {input: ['B01']} } this.setup = other",
            "builds code",
        ),
        (
            "function setup() { return {__proto__: all, input: ['B01']} }",
            "computed",
        ),
        (&"a".repeat(MAX_SCRIPT_BYTES + 1), "256 KiB"),
    ] {
        match read(script) {
            Script::Unreadable(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn constants_made_of_constants_do_not_grow_without_end() {
    let doubled: Vec<String> = (1..40)
        .map(|n| format!("const a{n} = [...a{0}, ...a{0}];", n - 1))
        .collect();
    let doubled = doubled.concat();
    let script = format!(
        "const a0 = ['B01', 'B02']; {doubled} function setup() {{ return {{input: a39}} }}"
    );
    assert_eq!(bands_of(&script), ["?"]);
    assert_eq!(
        bands_of("const a = b, b = a; function setup() { return {input: a} }"),
        ["?"]
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(script in any::<String>()) {
        let _ = read(&script);
    }

    #[test]
    fn any_jumble_of_javascript_is_read_without_a_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "function setup() {", "return ", "{", "}", "input:", "[", "]", "'B04'", ",", "...", "bands", "=", "const ", ";",
            "mosaicking:", "Mosaicking.ORBIT", "(", ")", "=>", "?", ":", ".concat(", "if", "for", "`", "${", "/", "\n", "eval",
        ]), 0..60)
    ) {
        let _ = read(&pieces.concat());
    }
}
