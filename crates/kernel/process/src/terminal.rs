//! Terminals: made as a new user expects them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::termios::{
    ControlFlags, FlushArg, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios,
    tcflush, tcgetattr, tcsetattr,
};

use crate::raw;

/// ioctl_console(2); the C library does not have them.
const KDSETMODE: usize = 0x4B3A;
const KD_TEXT: usize = 0;
const VT_DISALLOCATE: usize = 0x5608;

/// What the special characters are, by their place.
const CHARACTERS: [(SpecialCharacterIndices, u8); 15] = [
    (SpecialCharacterIndices::VINTR, 0o003),
    (SpecialCharacterIndices::VQUIT, 0o034),
    (SpecialCharacterIndices::VERASE, 0o177),
    (SpecialCharacterIndices::VKILL, 0o025),
    (SpecialCharacterIndices::VEOF, 0o004),
    (SpecialCharacterIndices::VSTART, 0o021),
    (SpecialCharacterIndices::VSTOP, 0o023),
    (SpecialCharacterIndices::VSUSP, 0o032),
    (SpecialCharacterIndices::VLNEXT, 0o026),
    (SpecialCharacterIndices::VWERASE, 0o027),
    (SpecialCharacterIndices::VREPRINT, 0o022),
    (SpecialCharacterIndices::VEOL, 0),
    (SpecialCharacterIndices::VEOL2, 0),
    (SpecialCharacterIndices::VTIME, 0),
    (SpecialCharacterIndices::VMIN, 1),
];

/// Opens a terminal, which does not become the controlling one and does not wait for a modem.
///
/// # Errors
/// It cannot be opened.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map(OwnedFd::from)
}

/// Sets its modes as they are for somebody who logs in; what was typed and not read is lost.
///
/// # Errors
/// It is no terminal.
pub fn reset(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    // Only consoles know it, and only one who has it may do the other.
    let _ = ioctl(terminal, KDSETMODE, KD_TEXT);
    let _ = ioctl(terminal, libc::TIOCNXCL as usize, 0);
    let mut modes: Termios = tcgetattr(terminal)?;
    modes.input_flags &= !(InputFlags::IGNBRK
        | InputFlags::BRKINT
        | InputFlags::ISTRIP
        | InputFlags::INLCR
        | InputFlags::IGNCR);
    modes.input_flags |= InputFlags::ICRNL | InputFlags::IMAXBEL | InputFlags::IUTF8;
    modes.output_flags |= OutputFlags::ONLCR | OutputFlags::OPOST;
    modes.control_flags |= ControlFlags::CREAD;
    modes.local_flags = LocalFlags::ISIG
        | LocalFlags::ICANON
        | LocalFlags::IEXTEN
        | LocalFlags::ECHO
        | LocalFlags::ECHOE
        | LocalFlags::ECHOK
        | LocalFlags::ECHOCTL
        | LocalFlags::ECHOKE;
    for (place, character) in CHARACTERS {
        modes.control_chars[place as usize] = character;
    }
    tcsetattr(terminal, SetArg::TCSANOW, &modes)?;
    tcflush(terminal, FlushArg::TCIOFLUSH)
}

/// Takes it away from everybody who has it open, this process as well.
///
/// # Errors
/// It is no terminal, or this process may not.
pub fn hang_up(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    ioctl(terminal, libc::TIOCVHANGUP as usize, 0)
}

/// Its size, in lines and columns; none stays as it is.
///
/// # Errors
/// It is no terminal.
pub fn resize(terminal: BorrowedFd<'_>, lines: Option<u16>, columns: Option<u16>) -> Result<(), Errno> {
    let mut size = [0u16; 4];
    ioctl(terminal, libc::TIOCGWINSZ as usize, size.as_mut_ptr() as usize)?;
    size[0] = lines.unwrap_or(size[0]);
    size[1] = columns.unwrap_or(size[1]);
    ioctl(terminal, libc::TIOCSWINSZ as usize, size.as_ptr() as usize)
}

/// Frees the memory of a virtual console; clears the screen of any other terminal, and of a console that is in use.
///
/// # Errors
/// It cannot be opened or written.
pub fn clear(path: &Path) -> io::Result<()> {
    let number = path.to_str().and_then(|path| path.strip_prefix("/dev/tty")?.parse::<u8>().ok());
    if let Some(number) = number.filter(|number| *number > 0) {
        let any = open(Path::new("/dev/tty0"))?;
        if ioctl(any.as_fd(), VT_DISALLOCATE, usize::from(number)).is_ok() {
            return Ok(());
        }
    }
    // The whole screen scrolls; to its beginning; nothing is left, nor of what was there before on a console.
    let erased: &[u8] = if number.is_some() { b"\x1b[3J" } else { b"\x1b[2J" };
    let mut terminal = std::fs::File::from(open(path)?);
    terminal.write_all(b"\x1b[r\x1b[H")?;
    terminal.write_all(erased)
}

fn ioctl(terminal: BorrowedFd<'_>, request: usize, argument: usize) -> Result<(), Errno> {
    // SAFETY: the callers above give a number, or a block of the size that the request has.
    unsafe { raw::call(libc::SYS_ioctl, [terminal.as_raw_fd() as usize, request, argument, 0, 0, 0]) }
        .map(drop)
        .map_err(Errno::from_raw)
}
