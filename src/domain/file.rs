//! Files that customers send: pictures of what is sold, evidence in a dispute.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The kinds of file that are taken. The word of each is its file name extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum FileKind {
    /// A JPEG picture.
    #[strum(serialize = "jpg")]
    Jpeg,
    /// A PNG picture.
    Png,
    /// A GIF picture.
    Gif,
    /// A `WebP` picture.
    Webp,
    /// A PDF document.
    Pdf,
}

impl FileKind {
    /// What these bytes are, by what they begin with and not by what anyone calls
    /// them; `None` for anything that is not taken.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mime = infer::get(bytes)?.mime_type();
        Self::VARIANTS.iter().copied().find(|kind| kind.mime() == mime)
    }

    /// Its media type.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
        }
    }

    /// Whether it is a picture.
    pub const fn is_picture(self) -> bool {
        !matches!(self, Self::Pdf)
    }
}

/// The name a file is kept under: the SHA-256 of what is in it, and its kind.
/// Never a name that came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileName {
    /// SHA-256 of the file's bytes.
    pub hash: [u8; 32],
    /// What they are.
    pub kind: FileKind,
}

impl FileName {
    /// The name of a file with this in it.
    pub fn of(kind: FileKind, bytes: &[u8]) -> Self {
        Self {
            hash: Sha256::digest(bytes).into(),
            kind,
        }
    }

    /// The name this text is, or `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (hash, extension) = text.split_once('.')?;
        let kind = FileKind::from_str(extension).ok()?;
        let is_lower_case = !hash.bytes().any(|byte| byte.is_ascii_uppercase());
        let mut bytes = [0; 32];
        hex::decode_to_slice(hash, &mut bytes).ok().filter(|()| is_lower_case)?;
        Some(Self { hash: bytes, kind })
    }
}

/// 64 hex characters, a dot, the extension.
impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", hex::encode(self.hash), self.kind.into_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_with() {
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
    fn only_names_of_ours_are_names() {
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
