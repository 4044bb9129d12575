//! Time that other processes on the machine do not add to.

use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(1000);
const SAMPLES_MAX: usize = 9;
/// A warm-up that takes so long changes nothing, and counts.
const SLOW: Duration = Duration::from_millis(2000);

fn processor_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The lesser of elapsed and processor time: waiting for a core is not the peer's doing, nor is
/// what its helper threads do meanwhile.
pub struct Stopwatch {
    elapsed: Instant,
    processor: Duration,
}

impl Stopwatch {
    pub fn start() -> Self {
        Stopwatch { elapsed: Instant::now(), processor: processor_time() }
    }

    pub fn stop(self) -> Duration {
        self.elapsed.elapsed().min(processor_time() - self.processor)
    }
}

/// The median, in milliseconds, of several runs of `work` after a warm-up, each on a fresh result
/// of `prepare`, which is not measured. Hands back the last run's result.
pub fn median_ms<P, R>(mut prepare: impl FnMut() -> P, mut work: impl FnMut(P) -> R) -> (f64, R) {
    let begin = Instant::now();
    let prepared = prepare();
    let watch = Stopwatch::start();
    let mut result = work(prepared);
    let mut times = vec![watch.stop()];
    times.retain(|warm_up| *warm_up > SLOW);
    while times.is_empty() || (times.len() < SAMPLES_MAX && begin.elapsed() < BUDGET) {
        let prepared = prepare();
        drop(result);
        let watch = Stopwatch::start();
        result = work(prepared);
        times.push(watch.stop());
    }
    times.sort();
    (times[times.len() / 2].as_secs_f64() * 1e3, result)
}
