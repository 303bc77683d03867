//! The page that shows a run: one file without references to others, readable without a network.
//!
//! Everything is drawn here as SVG; the page has no script.

mod escape;
mod latency;
mod page;
mod timeline;

pub use page::page;

/// Width of the drawings, in units of the page.
const WIDTH: f64 = 1200.0;

/// Where a time is on the horizontal axis.
#[derive(Clone, Copy, Debug)]
struct Scale {
    end: u64,
}

impl Scale {
    fn x(self, at: u64) -> f64 {
        at.min(self.end) as f64 / self.end.max(1) as f64 * WIDTH
    }
}
