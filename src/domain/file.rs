//! Files that customers upload: pictures of what is sold, and evidence in disputes.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The kind of a file; files of other kinds are refused. The word of each is its file
/// name extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum FileKind {
    #[strum(serialize = "jpg")]
    Jpeg,
    Png,
    Gif,
    Webp,
    Pdf,
}

impl FileKind {
    /// Returns the kind of these bytes, or `None` if it is not accepted. The first bytes
    /// decide, and not the name or the media type that the uploader sent.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mime = infer::get(bytes)?.mime_type();
        Self::VARIANTS.iter().copied().find(|kind| kind.mime() == mime)
    }

    /// Returns the media type.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
        }
    }

    pub const fn is_picture(self) -> bool {
        !matches!(self, Self::Pdf)
    }
}

/// The name that a file is stored under: the SHA-256 hash of its bytes, and its kind. A
/// name that an uploader sent is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileName {
    /// The SHA-256 hash of the file's bytes.
    pub hash: [u8; 32],
    pub kind: FileKind,
}

impl FileName {
    /// Returns the name of a file with these bytes.
    pub fn of(kind: FileKind, bytes: &[u8]) -> Self {
        Self {
            hash: Sha256::digest(bytes).into(),
            kind,
        }
    }

    /// Returns `None` if the text is not a name as [`FileName`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (hash, extension) = text.split_once('.')?;
        let kind = FileKind::from_str(extension).ok()?;
        let is_lower_case = !hash.bytes().any(|byte| byte.is_ascii_uppercase());
        let mut bytes = [0; 32];
        hex::decode_to_slice(hash, &mut bytes).ok().filter(|()| is_lower_case)?;
        Some(Self { hash: bytes, kind })
    }
}

/// Formats the name as 64 lower-case hex characters, a dot and the extension.
impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", hex::encode(self.hash), self.kind.into_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide_the_kind_of_a_file() {
        for (bytes, kind) in [
            (&b"\xff\xd8\xff\xe0 and more"[..], Some(FileKind::Jpeg)),
            (b"\x89PNG\r\n\x1a\n and more", Some(FileKind::Png)),
            (b"GIF89a and more", Some(FileKind::Gif)),
            (b"RIFF\x10\0\0\0WEBPVP8 and more", Some(FileKind::Webp)),
            (b"%PDF-1.7 and more", Some(FileKind::Pdf)),
            (b"", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"<!DOCTYPE html><html></html>", None),
            (b"MZ a program", None),
            (b"BM a bitmap", None),
            (b"PK\x03\x04 an archive", None),
        ] {
            assert_eq!(FileKind::of(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn other_texts_are_not_names_of_files() {
        let name = FileName {
            hash: [0xab; 32],
            kind: FileKind::Webp,
        };
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
        let upper = name.to_string().to_uppercase();
        for text in [
            "",
            ".",
            "a.png",
            "../../etc/passwd",
            &upper,
            "ab.webp",
            &format!("{name}/.."),
        ] {
            assert_eq!(FileName::parse(text), None, "{text}");
        }
    }
}
