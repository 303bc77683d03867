//! What was asked, what was answered, and what was broken meanwhile: the evidence that checkers judge.
//!
//! A history is a file of JSON lines, written as things happen, so that it survives a crash of the program that
//! writes it. `docs/chaos.md` describes the format. Times are nanoseconds since the run began, taken by one
//! monotonic clock: an answer was there before another question was asked exactly if its time is smaller.
//!
//! **Invariant:** a call is recorded before its request leaves and answered after its reply has come, so that the
//! interval between both contains the moment at which it took effect.

mod answer;
mod line;
mod operation;
mod reader;
mod recorder;

pub use answer::{Answer, Refused};
pub use line::{FORMAT, Header, Line, Phase};
pub use operation::Operation;
pub use reader::{Call, Fault, History};
pub use recorder::{Counts, Recorder, Ticket};
