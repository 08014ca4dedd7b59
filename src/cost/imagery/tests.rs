//! Planet's own examples, figures seen on bills, and what must hold of any request.

use proptest::prelude::*;

use super::*;
use crate::planet::Source;

fn source(bands: u64, samples: u64) -> Source {
    Source {
        collection: "sentinel-2-l2a".into(),
        bands,
        samples,
        remote: false,
    }
}

fn imagery(width: u64, height: u64, bands: u64, samples: u64) -> Imagery {
    Imagery {
        width,
        height,
        sources: vec![source(bands, samples)],
        format: Format::UpTo16Bit,
        correction: Correction::None,
        speckle_filter: false,
        bounded: vec![],
    }
}

fn process_pu(imagery: &Imagery) -> String {
    process(imagery, &Prices::default())
        .unwrap()
        .amount
        .to_string()
}

fn statistics_pu(imagery: &Imagery) -> String {
    statistics(imagery, &Prices::default())
        .unwrap()
        .amount
        .to_string()
}

#[test]
fn planets_three_worked_examples_come_out() {
    assert_eq!(
        statistics_pu(&imagery(424, 424, 5, 730)),
        "834.37907",
        "indices of PlanetScope over two years"
    );
    let change = Imagery {
        format: Format::Float32,
        correction: Correction::Orthorectified,
        ..imagery(1024, 1024, 4, 2)
    };
    assert_eq!(
        process_pu(&change),
        "42.666667",
        "change detection with Sentinel-1"
    );
    assert_eq!(
        process_pu(&imagery(20, 20, 2, 1)),
        "0.006667",
        "NDVI of a parcel"
    );
}

#[test]
fn the_floor_of_the_area_comes_before_the_bands_and_the_minimum_comes_last() {
    assert_eq!(
        process_pu(&imagery(1, 1, 1, 1)),
        "0.005",
        "a third of the floor is below the minimum"
    );
    assert_eq!(
        statistics_pu(&imagery(20, 20, 2, 1)),
        "0.01",
        "statistics cost at least twice that"
    );
    assert_eq!(
        process_pu(&imagery(20, 20, 12, 30)),
        "1.2",
        "every sample counts the floor again"
    );
    assert_eq!(
        process_pu(&imagery(51, 51, 3, 1)),
        "0.01",
        "2,601 px are below a hundredth"
    );
    assert_eq!(
        process_pu(&imagery(52, 52, 3, 1)),
        "0.010315",
        "2,704 px are above it"
    );
}

#[test]
fn each_factor_multiplies() {
    let one = imagery(512, 512, 3, 1);
    assert_eq!(process_pu(&one), "1");
    for (name, imagery, pu) in [
        (
            "float",
            Imagery {
                format: Format::Float32,
                ..one.clone()
            },
            "2",
        ),
        (
            "octets",
            Imagery {
                format: Format::OctetStream,
                ..one.clone()
            },
            "1.4",
        ),
        (
            "float octets",
            Imagery {
                format: Format::Float32OctetStream,
                ..one.clone()
            },
            "2.8",
        ),
        (
            "orthorectified",
            Imagery {
                correction: Correction::Orthorectified,
                ..one.clone()
            },
            "2",
        ),
        (
            "terrain",
            Imagery {
                correction: Correction::RadiometricTerrain,
                ..one.clone()
            },
            "2.5",
        ),
        (
            "speckle",
            Imagery {
                speckle_filter: true,
                ..one.clone()
            },
            "2",
        ),
        (
            "one remote collection alone",
            Imagery {
                sources: vec![Source {
                    remote: true,
                    ..source(3, 1)
                }],
                ..one.clone()
            },
            "1",
        ),
    ] {
        assert_eq!(process_pu(&imagery), pu, "{name}");
    }
}

#[test]
fn fusion_counts_local_collections_once_and_remote_ones_twice() {
    let remote = Source {
        remote: true,
        ..source(1, 1)
    };
    let fused = Imagery {
        sources: vec![source(1, 1), source(1, 1), remote],
        ..imagery(512, 512, 0, 0)
    };
    assert_eq!(process_pu(&fused), "4", "Planet's illustration: 1 + 1 + 2");
    let uneven = Imagery {
        sources: vec![source(1, 30), source(2, 1)],
        ..imagery(512, 512, 0, 0)
    };
    assert_eq!(
        process_pu(&uneven),
        "60",
        "the most samples of any count for all"
    );
}

#[test]
fn a_line_says_what_was_counted_and_whether_it_is_a_bound() {
    let prices = Prices::default();
    let exact = process(&imagery(512, 512, 3, 12), &prices).unwrap();
    assert_eq!(exact.quantity, "512 × 512 px × 3 bands × 12 samples");
    assert!(exact.exact);
    let bound = Imagery {
        format: Format::Float32,
        bounded: vec!["every day counts".into()],
        ..imagery(256, 256, 1, 365)
    };
    let bound = process(&bound, &prices).unwrap();
    assert_eq!(
        bound.quantity,
        "256 × 256 px × 1 band × 365 samples × 2 (FLOAT32); at most, as every day counts"
    );
    assert!(!bound.exact);
}

#[test]
fn what_is_too_large_to_count_has_no_price() {
    assert_eq!(
        process(
            &imagery(u64::MAX, u64::MAX, u64::MAX, u64::MAX),
            &Prices::default()
        ),
        None
    );
    assert_eq!(
        process(
            &Imagery {
                sources: vec![],
                ..imagery(1, 1, 1, 1)
            },
            &Prices::default()
        ),
        None
    );
}

proptest! {
    #[test]
    fn more_of_anything_never_costs_less(
        width in 1u64..2500, height in 1u64..2500, bands in 1u64..30, samples in 1u64..5000, more in 1u64..100, which in 0..6
    ) {
        let less = imagery(width, height, bands, samples);
        let mut greater = less.clone();
        match which {
            0 => greater.width += more,
            1 => greater.height += more,
            2 => greater.sources[0].bands += more,
            3 => greater.sources[0].samples += more,
            4 => greater.sources.push(source(more, 1)),
            _ => greater.format = Format::Float32,
        }
        for price in [process, statistics] {
            let cost = |imagery: &Imagery| price(imagery, &Prices::default()).unwrap().amount;
            prop_assert!(cost(&greater) >= cost(&less));
        }
    }
}
