//! The content of blobs. People and programs can change what stands under the name of a blob, so
//! only a regular file counts whose bytes have the hash that its name states.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::domain::file::FileName;
use crate::store::engine::file_content::ContentError;

/// The bytes that are hashed at a time.
const PIECE_BYTES: usize = 65_536;

/// Opens a blob and checks its content. Returns it at its beginning, with its length in bytes.
pub(crate) fn open(path: &Path, file: FileName) -> Result<(File, u64), ContentError> {
    let mut opened = open_regular(path, file)?;
    let (hash, bytes) = hash_of(&mut opened).map_err(|cause| of_io(cause, file))?;
    if hash != file.hash {
        return Err(ContentError::Changed(file));
    }
    opened.rewind().map_err(|cause| of_io(cause, file))?;
    Ok((opened, bytes))
}

/// Returns the content of a blob.
pub(crate) fn read(path: &Path, file: FileName) -> Result<Vec<u8>, ContentError> {
    let mut content = Vec::new();
    let read = open_regular(path, file)?.read_to_end(&mut content);
    read.map_err(|cause| of_io(cause, file))?;
    if FileName::of(file.kind, &content) == file {
        Ok(content)
    } else {
        Err(ContentError::Changed(file))
    }
}

/// Checks that a regular file has the name of a blob.
pub(crate) fn check_presence(path: &Path, file: FileName) -> Result<(), ContentError> {
    check_regular(fs::metadata(path), file)
}

/// Opens a regular file. Opening a named pipe waits for a writer, and opening a device may have
/// effects, so neither is opened. A pipe that takes the name meanwhile is opened without waiting.
fn open_regular(path: &Path, file: FileName) -> Result<File, ContentError> {
    check_presence(path, file)?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let opened = options.open(path).map_err(|cause| of_io(cause, file))?;
    check_regular(opened.metadata(), file)?;
    Ok(opened)
}

fn check_regular(found: io::Result<Metadata>, file: FileName) -> Result<(), ContentError> {
    match found {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(ContentError::NotRegular(file)),
        Err(cause) => Err(of_io(cause, file)),
    }
}

fn of_io(cause: io::Error, file: FileName) -> ContentError {
    match cause.kind() {
        io::ErrorKind::NotFound => ContentError::Missing(file),
        _ => ContentError::Io { file, cause },
    }
}

fn hash_of(file: &mut File) -> io::Result<([u8; 32], u64)> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((hasher.finalize().into(), bytes)),
            Ok(read) => {
                hasher.update(&piece[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
