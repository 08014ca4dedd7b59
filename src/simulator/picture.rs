//! Small pictures that real readers can open, and the tar that holds several of them.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Pictures are cut to this many pixels a side: what counts is their price, not their content.
const MAX_SIDE: u32 = 64;

/// A grey square of 8 by 8 pixels.
const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI/////////////////////////////\
                    ///////////////////////wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/\
                    2gAIAQEAAD8AP//Z";

/// What a picture is asked to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bands: u16,
    pub(super) depth: Depth,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Depth {
    Byte,
    Short,
    Float,
}

/// A picture in the format of a media type; JSON and raw bytes for what is no picture.
pub(super) fn of_type(media_type: &str, shape: Shape) -> Vec<u8> {
    let shape = Shape {
        width: shape.width.clamp(1, MAX_SIDE),
        height: shape.height.clamp(1, MAX_SIDE),
        bands: shape.bands.clamp(1, 16),
        depth: shape.depth,
    };
    if media_type.starts_with("image/tiff") {
        tiff(shape)
    } else if media_type.starts_with("image/jpeg") {
        STANDARD.decode(JPEG).unwrap_or_default()
    } else if media_type.contains("json") {
        b"{\"pretended\": true}".to_vec()
    } else if media_type.starts_with("application/octet-stream") {
        samples(shape)
    } else {
        png(shape)
    }
}

pub(super) fn png(shape: Shape) -> Vec<u8> {
    let (kind, bands): (u8, u32) = match shape.bands {
        3 => (2, 3),
        4 => (6, 4),
        _ => (0, 1),
    };
    let mut header = Vec::new();
    header.extend(shape.width.to_be_bytes());
    header.extend(shape.height.to_be_bytes());
    header.extend([8, kind, 0, 0, 0]);
    let mut rows = Vec::new();
    for row in 0..shape.height {
        rows.push(0);
        rows.extend((0..shape.width * bands).map(|column| grey(row, column)));
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&rows).and_then(|()| encoder.finish());
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [
        (b"IHDR", header),
        (b"IDAT", packed.unwrap_or_default()),
        (b"IEND", Vec::new()),
    ] {
        file.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(name);
        sum.update(&data);
        file.extend(name);
        file.extend(data);
        file.extend(sum.sum().to_be_bytes());
    }
    file
}

/// An uncompressed baseline TIFF of one strip: its directory first, then its samples.
fn tiff(shape: Shape) -> Vec<u8> {
    const ENTRIES: u16 = 10;
    const HEADER_BYTES: u32 = 8;
    let (bits, format) = match shape.depth {
        Depth::Byte => (8, 1),
        Depth::Short => (16, 1),
        Depth::Float => (32, 3),
    };
    let bands = u32::from(shape.bands);
    let data = samples(shape);
    let lists_at = HEADER_BYTES + 2 + u32::from(ENTRIES) * 12 + 4;
    let list_bytes = bands * 2;
    let data_at = lists_at + 2 * list_bytes;
    let data_bytes = u32::try_from(data.len()).unwrap_or_default();
    let list = |value: u32, at: u32| {
        if bands <= 2 {
            value * if bands == 2 { 0x1_0001 } else { 1 }
        } else {
            at
        }
    };
    let mut file = b"II*\0".to_vec();
    file.extend(HEADER_BYTES.to_le_bytes());
    file.extend(ENTRIES.to_le_bytes());
    for (tag, kind, count, value) in [
        (256_u16, 4_u16, 1, shape.width),
        (257, 4, 1, shape.height),
        (258, 3, bands, list(bits, lists_at)),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, data_at),
        (277, 3, 1, bands),
        (278, 4, 1, shape.height),
        (279, 4, 1, data_bytes),
        (339, 3, bands, list(format, lists_at + list_bytes)),
    ] {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for value in [bits, format] {
        let value = u16::try_from(value).unwrap_or_default();
        file.extend(value.to_le_bytes().repeat(usize::from(shape.bands)));
    }
    file.extend(data);
    file
}

/// A tar archive of named files.
pub(super) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut archive = Vec::new();
    for (name, data) in files {
        let mut header = [0_u8; BLOCK];
        put(
            &mut header,
            0,
            name.get(..name.len().min(99)).unwrap_or("file"),
        );
        put(&mut header, 100, "0000644\0");
        put(&mut header, 108, "0000000\0");
        put(&mut header, 116, "0000000\0");
        put(&mut header, 124, &format!("{:011o}\0", data.len()));
        put(&mut header, 136, "00000000000\0");
        put(&mut header, 148, "        ");
        put(&mut header, 156, "0");
        put(&mut header, 257, "ustar\u{0}00");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut header, 148, &format!("{sum:06o}\0 "));
        archive.extend(header);
        archive.extend(data);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn put(block: &mut [u8], at: usize, text: &str) {
    for (place, byte) in block.iter_mut().skip(at).zip(text.bytes()) {
        *place = byte;
    }
}

fn samples(shape: Shape) -> Vec<u8> {
    let columns = shape.width * u32::from(shape.bands);
    let greys = (0..shape.height).flat_map(|row| (0..columns).map(move |column| grey(row, column)));
    match shape.depth {
        Depth::Byte => greys.collect(),
        Depth::Short => greys
            .flat_map(|grey| u16::from(grey).to_le_bytes())
            .collect(),
        Depth::Float => greys
            .flat_map(|grey| (f32::from(grey) / 255.0).to_le_bytes())
            .collect(),
    }
}

fn grey(row: u32, column: u32) -> u8 {
    u8::try_from((row * 4 + column) % 256).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(depth: Depth, bands: u16) -> Shape {
        Shape {
            width: 10,
            height: 5,
            bands,
            depth,
        }
    }

    #[test]
    fn formats_begin_with_their_signatures() {
        for (media_type, signature) in [
            ("image/png", &b"\x89PNG"[..]),
            ("image/tiff;depth=32f", b"II*\0"),
            ("image/jpeg", b"\xff\xd8\xff"),
            ("application/json", b"{"),
        ] {
            let picture = of_type(media_type, shape(Depth::Byte, 3));
            assert!(picture.starts_with(signature), "{media_type}");
        }
    }

    #[test]
    fn a_tiff_is_as_long_as_its_directory_says() {
        for (depth, bands, bytes) in [
            (Depth::Byte, 1, 50),
            (Depth::Float, 4, 800),
            (Depth::Short, 2, 200),
        ] {
            let lists = usize::from(bands) * 4;
            assert_eq!(
                tiff(shape(depth, bands)).len(),
                8 + 2 + 120 + 4 + lists + bytes
            );
        }
    }

    #[test]
    fn a_tar_is_made_of_whole_blocks() {
        let archive = tar(&[("default.tif".to_owned(), vec![1; 513])]);
        assert_eq!(archive.len(), 512 + 1_024 + 1_024);
        assert!(archive.starts_with(b"default.tif\0"));
    }
}
