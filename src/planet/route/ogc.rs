//! Sentinel Hub's OGC services, where the query says which call it is.

use super::Operation::{Ogc, Refused};
use super::Verb::{Get, Post};
use super::{Api, Group, Operation, Row, group, row};
use crate::planet::{Misread, Query};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Ogc, "/ogc/wms", INSTANCE),
    group(Api::Ogc, "/ogc/wmts", INSTANCE),
    group(Api::Ogc, "/ogc/wcs", INSTANCE),
    group(Api::Ogc, "/ogc/wfs", INSTANCE),
    group(Api::Ogc, "/ogc/fis", WITHDRAWN),
];

const INSTANCE: &[Row] = &[row("/{instance}", &[(Get, Ogc), (Post, Ogc)])
    .note("the parameter REQUEST decides, in the query or, for POST, in a form; the instance is a credential to Planet")];

const FIS: Operation = Refused("the FIS service was withdrawn; use the Statistical API");

const WITHDRAWN: &[Row] = &[row("/{instance}", &[(Get, FIS), (Post, FIS)])];

/// What the parameter REQUEST asks of an OGC or tile service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OgcRequest {
    Map,
    Tile,
    Coverage,
    Features,
    /// What lies at one point of the map.
    FeatureInfo,
    /// Capabilities, schemas and legends, which cost nothing.
    Description,
}

impl OgcRequest {
    /// Reads the parameter REQUEST, whose name and value have no case.
    pub fn read(query: Query<'_>) -> Result<Self, Misread> {
        Self::asked(query)?.ok_or_else(|| {
            Misread::new(
                "the parameter REQUEST is missing; say which operation is meant, such as REQUEST=GetMap",
            )
        })
    }

    /// As [`Self::read`], for Planet's tile services, which describe themselves unless asked for more.
    pub fn read_tile_service(query: Query<'_>) -> Result<Self, Misread> {
        Ok(Self::asked(query)?.unwrap_or(Self::Description))
    }

    fn asked(query: Query<'_>) -> Result<Option<Self>, Misread> {
        let Some(asked) = query.single_any_case("REQUEST")? else {
            return Ok(None);
        };
        let known = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&asked));
        match known {
            Some((_, request)) => Ok(Some(*request)),
            None => Err(Misread::new(format!(
                "REQUEST={asked} is no operation that the guard knows a price for"
            ))),
        }
    }
}

const NAMES: [(&str, OgcRequest); 9] = [
    ("GetMap", OgcRequest::Map),
    ("GetTile", OgcRequest::Tile),
    ("GetCoverage", OgcRequest::Coverage),
    ("GetFeature", OgcRequest::Features),
    ("GetFeatureInfo", OgcRequest::FeatureInfo),
    ("GetCapabilities", OgcRequest::Description),
    ("DescribeCoverage", OgcRequest::Description),
    ("DescribeFeatureType", OgcRequest::Description),
    ("GetLegendGraphic", OgcRequest::Description),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<OgcRequest, Misread> {
        OgcRequest::read(Query::new(Some(raw)))
    }

    #[test]
    fn the_request_is_read_in_any_case() {
        assert_eq!(read("SERVICE=WMS&REQUEST=GetMap"), Ok(OgcRequest::Map));
        assert_eq!(read("request=getfeature"), Ok(OgcRequest::Features));
        assert_eq!(read("Request=GetCapabilities"), Ok(OgcRequest::Description));
    }

    #[test]
    fn a_tile_service_describes_itself_unless_asked_for_a_tile() {
        let read = |raw| OgcRequest::read_tile_service(Query::new(Some(raw)));
        assert_eq!(read("api_key=K"), Ok(OgcRequest::Description));
        assert_eq!(read("request=GetTile&TILEROW=1"), Ok(OgcRequest::Tile));
        assert!(read("REQUEST=GetTile&REQUEST=GetCapabilities").is_err());
    }

    #[test]
    fn a_request_that_is_missing_unknown_or_twofold_is_refused() {
        for (raw, rule) in [
            ("SERVICE=WMS", "missing"),
            ("REQUEST=GetEverything", "GetEverything"),
            ("REQUEST=GetMap+", "no operation"),
            ("REQUEST=GetCapabilities&request=GetMap", "more than once"),
        ] {
            let sentence = read(raw).unwrap_err().sentence;
            assert!(sentence.contains(rule), "{raw}: {sentence}");
        }
    }
}
