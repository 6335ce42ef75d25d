//! The memory of this process.

use std::fs;

/// Gives back what a burst of work has left: free pages of the heap, and the pages of the program that were mapped on
/// the way. They stay in the page cache as long as there is room, and what is used again is mapped again.
///
/// Returns how many octets of the program were unmapped.
pub fn give_back() -> usize {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointers, and the heap is whole between any two calls of the allocator.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    program(&maps).into_iter().map(|(from, to)| unmap(from, to)).sum()
}

/// The ranges of `/proc/PID/smaps` in which nothing but files is mapped: that cannot be written to, and in which no page
/// was, by relocation for instance, before that became so.
fn program(smaps: &str) -> Vec<(usize, usize)> {
    let (mut ranges, mut candidate) = (Vec::new(), None);
    for line in smaps.lines() {
        if let Some(private) = line.strip_prefix("Anonymous:") {
            candidate = candidate.filter(|_| private.trim() == "0 kB");
        } else if let Some(private) = line.strip_prefix("Swap:") {
            ranges.extend(candidate.take().filter(|_| private.trim() == "0 kB"));
        } else if let Some(range) = read_only(line) {
            candidate = range;
        }
    }
    ranges
}

/// What the first line of a mapping says: its range, where it is a file's and cannot be written to. The outer none is for
/// other lines.
fn read_only(line: &str) -> Option<Option<(usize, usize)>> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights, _, _, inode) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (from, to) = range.split_once('-')?;
    let range = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
    Some(Some(range).filter(|_| matches!(rights, "r-xp" | "r--p") && inode != "0"))
}

fn unmap(from: usize, to: usize) -> usize {
    let Some(length) = to.checked_sub(from) else { return 0 };
    // SAFETY: the pages are a file's, cannot be written to, and none of them was; dropping them changes nothing, since
    // the next access reads the same from the file.
    let done = unsafe { libc::madvise(from as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    if done == 0 { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_is_unmapped() {
        let line = |rights: &str, rest: &str, anonymous: u32, swap: u32| {
            let counts = format!("Rss: 8 kB\nAnonymous: {anonymous} kB\nLazyFree: 0 kB\nSwap: {swap} kB\n");
            program(&format!("1000-3000 {rights} 00000000 fe:00 {rest}\n{counts}"))
        };
        assert_eq!(line("r-xp", "42   /usr/bin/perigee", 0, 0), [(0x1000, 0x3000)]);
        assert_eq!(line("r--p", "42   /usr/bin/perigee", 0, 0), [(0x1000, 0x3000)]);
        assert_eq!(line("r--p", "42   /usr/bin/perigee", 4, 0), [], "it was relocated");
        assert_eq!(
            line("r--p", "42   /usr/bin/perigee", 0, 4),
            [],
            "it was relocated, and written to swap space"
        );
        for (rights, rest) in [("rwxp", "42 /x"), ("rw-p", "42 /x"), ("r-xs", "42 /x"), ("r-xp", "0 [vdso]")]
        {
            assert_eq!(line(rights, rest, 0, 0), [], "{rights} {rest}");
        }
        assert_eq!(program("1000 r-xp 0 0 42\nAnonymous: 0 kB\nSwap: 0 kB\nSwap: 0 kB"), []);
    }

    #[test]
    fn the_program_goes_on_with_less() {
        let resident = || -> usize {
            let text = fs::read_to_string("/proc/self/statm").expect("its own pages");
            // Resident pages of files.
            text.split(' ').nth(2).and_then(|pages| pages.parse().ok()).expect("a number")
        };
        let before = resident();
        assert!(give_back() > 0);
        let after = resident();
        assert!(after < before, "{before} pages before, {after} pages after");
        let text: String = (0..1000).rev().map(|number| number.to_string()).collect();
        assert!(text.starts_with("999998"));
    }
}
