//! Files in whose place somebody else may have put anything.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The first octets of a regular file, `most` of them.
///
/// # Errors
/// It cannot be read, or is no regular file: a pipe would keep whoever opens it waiting, a device might never end.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    // Looked at once it is open, so that nothing else can come into its place.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut octets = Vec::new();
    file.take(most).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        std::fs::write(&file, "123456").expect("written");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert_eq!(read(&file, 6).expect("read"), b"123456");
        assert_eq!(read(&file, 4).expect("read"), b"1234");
        for other in [pipe.as_path(), Path::new("/dev/zero"), folder.path(), &folder.path().join("none")] {
            assert!(read(other, 6).is_err(), "{}", other.display());
        }
    }
}
