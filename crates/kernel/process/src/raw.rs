//! System calls without the C library: the child shares its thread-local storage, `errno` in it, with the parent,
//! and the C library's own set-user-id functions would tell all its threads.

/// One system call, with up to six arguments; the error is the number of errno(3).
///
/// # Safety
/// What the call itself demands: pointers among the arguments must be good for what it does with them.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) unsafe fn call(number: i64, arguments: [usize; 6]) -> Result<usize, i32> {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the caller answers for the arguments; the kernel changes rax, rcx and r11 alone.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    checked(result)
}

/// One system call, with up to six arguments; the error is the number of errno(3).
///
/// # Safety
/// What the call itself demands: pointers among the arguments must be good for what it does with them.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(crate) unsafe fn call(number: i64, arguments: [usize; 6]) -> Result<usize, i32> {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the caller answers for the arguments; the kernel changes x0 alone.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    checked(result)
}

/// One system call, with up to six arguments; the error is the number of errno(3).
///
/// # Safety
/// What the call itself demands: pointers among the arguments must be good for what it does with them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
pub(crate) unsafe fn call(number: i64, arguments: [usize; 6]) -> Result<usize, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller answers for the arguments. Here the child has its memory, and so its errno, for itself.
    let result = unsafe { libc::syscall(number as libc::c_long, a, b, c, d, e, f) };
    // SAFETY: the address of this thread's errno is always good.
    if result == -1 { Err(unsafe { *libc::__errno_location() }) } else { Ok(result as usize) }
}

/// Errors are the last 4,095 numbers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) fn checked(result: isize) -> Result<usize, i32> {
    if (-4095..0).contains(&result) { Err(-result as i32) } else { Ok(result as usize) }
}
