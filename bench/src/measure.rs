//! How time is taken: CPU time of the thread, the best of several runs, since these machines are shared.

use std::hint::black_box;
use std::time::Duration;

/// CPU time that this thread has used.
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time that this process has used, every thread of it.
pub fn process_cpu() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the answer.
    let status = unsafe { libc::clock_gettime(id, &raw mut now) };
    assert_eq!(status, 0, "the CPU clock of this process cannot be read");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Seconds of CPU that the fastest of `runs` runs of `work` took, each preceded by `prepare`.
pub fn best_of<T>(runs: usize, mut prepare: impl FnMut() -> T, mut work: impl FnMut(&mut T)) -> f64 {
    (0..runs)
        .map(|_| {
            let mut input = prepare();
            let begin = thread_cpu();
            work(black_box(&mut input));
            let spent = thread_cpu() - begin;
            black_box(&input);
            spent.as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// Octets a second that one core reads from a buffer far larger than the caches: the memory's limit.
pub fn memory_read_bandwidth() -> f64 {
    let buffer = vec![1u64; 32 << 20];
    let seconds = best_of(
        5,
        || (),
        |()| {
            let sums = buffer.chunks_exact(8).fold([0u64; 8], |mut sums, chunk| {
                for (sum, word) in sums.iter_mut().zip(chunk) {
                    *sum = sum.wrapping_add(*word);
                }
                sums
            });
            black_box(sums);
        },
    );
    (buffer.len() * 8) as f64 / seconds
}

/// Copies a second, in octets, of one core over a buffer that stays in the second-level cache.
pub fn cache_copy_bandwidth() -> f64 {
    let source = vec![1u8; 128 << 10];
    let mut target = vec![0u8; source.len()];
    let rounds = 4_000;
    let seconds = best_of(
        5,
        || (),
        |()| {
            for _ in 0..rounds {
                target.copy_from_slice(black_box(&source));
                black_box(&mut target);
            }
        },
    );
    (source.len() * rounds) as f64 / seconds
}

/// A small generator for test data that is the same on every machine (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 56) as u8).collect()
    }

    /// A sample of the normal distribution with variance one (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let u = ((self.next() >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        let v = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
    }
}
