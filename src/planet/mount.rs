//! Where an upstream hangs in the guard's own paths, and which one a path belongs to.

use super::Misread;
use super::path::canonical;

/// Where an upstream hangs in the guard's own paths: `/`, or some segments such as `/tiles`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mount(String);

impl Mount {
    /// Takes `/`, `/tiles` or `/tiles/`; refuses what is not canonical, since no request could reach it.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        let path = canonical(text)?;
        if path != text {
            return Err(Misread::new(format!(
                "the mount '{text}' would never be met: requests are brought to '{path}', so write that"
            )));
        }
        Ok(Self(path.trim_end_matches('/').to_owned()))
    }

    /// What is left of a canonical path below this mount, beginning with a slash.
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path.strip_prefix(self.0.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    /// Without a trailing slash, so the root is empty and a path can be put behind it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Of all mounts that a canonical path lies under, the longest, and what is left of the path below it.
pub fn longest_mount<'m, 'p, T>(
    mounts: impl IntoIterator<Item = (&'m Mount, T)>,
    path: &'p str,
) -> Option<(T, &'p str)> {
    mounts
        .into_iter()
        .filter_map(|(mount, owner)| Some((mount, owner, mount.strip(path)?)))
        .max_by_key(|(mount, ..)| mount.0.len())
        .map(|(_, owner, rest)| (owner, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_wins_and_only_whole_segments_count() {
        let [root, tiles, deep] =
            ["/", "/tiles", "/tiles/eu/"].map(|text| Mount::parse(text).unwrap());
        let mounts = [(&root, "root"), (&tiles, "tiles"), (&deep, "deep")];
        for (path, owner, rest) in [
            ("/data/v1", "root", "/data/v1"),
            ("/tiles", "tiles", "/"),
            ("/tiles/", "tiles", "/"),
            ("/tiles/x/", "tiles", "/x/"),
            ("/tilesets/x", "root", "/tilesets/x"),
            ("/tiles/eu/x", "deep", "/x"),
        ] {
            assert_eq!(longest_mount(mounts, path), Some((owner, rest)), "{path}");
        }
        assert_eq!(longest_mount([(&tiles, ())], "/data"), None);
    }

    #[test]
    fn a_mount_that_no_request_could_reach_is_refused() {
        for text in ["", "tiles", "/a//b", "/%74iles", "/a/../b", "/a b"] {
            assert!(Mount::parse(text).is_err(), "{text}");
        }
    }
}
