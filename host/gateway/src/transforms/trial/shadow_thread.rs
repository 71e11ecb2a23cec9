//! The thread on which a shadow repeats calls.

use super::figures::ShadowFigures;
use ocpp_gateway_pipeline::{Failure, Pipeline, Shadow, ShadowAnswer, ShadowCall};
use rustix::process::nice;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// The thread looks for calls this often, so that a live message need not wake it.
const PAUSE: Duration = Duration::from_millis(5);
/// It runs when nothing else wants to.
const NICENESS: i32 = 19;

/// Starts the thread. It ends with the trial.
pub(super) fn start(shadow: Shadow, figures: Arc<ShadowFigures>, pipeline: Weak<Pipeline>) -> io::Result<()> {
    let thread = ShadowThread { shadow, figures, pipeline };
    thread::Builder::new().name("trial".into()).spawn(move || thread.run()).map(drop)
}

struct ShadowThread {
    shadow: Shadow,
    figures: Arc<ShadowFigures>,
    pipeline: Weak<Pipeline>,
}

impl ShadowThread {
    fn run(mut self) {
        // On Linux that of this thread alone. A failure does no harm.
        let _ = nice(NICENESS);
        while let Some(calls) = self.shadow.take() {
            if calls.is_empty() {
                // The gateway has ended.
                if self.pipeline.strong_count() == 0 {
                    return;
                }
                thread::sleep(PAUSE);
            }
            for call in calls {
                if self.shadow.is_closed() {
                    return;
                }
                if let Some(topics) = self.shadow.topics_of(&call.peer) {
                    self.repeat(&topics);
                }
                self.repeat(&call);
            }
        }
    }

    fn repeat(&self, call: &ShadowCall) {
        let answer = self.shadow.repeat(call);
        self.figures.compare(call, &answer, self.shadow.skipped());
        if let ShadowAnswer { actions: Err(failure), .. } = &answer {
            self.end_if_failing(failure);
        }
    }

    fn end_if_failing(&self, failure: &Failure) {
        if let (Some(hook), Some(pipeline)) = (self.shadow.failing_hook(), self.pipeline.upgrade()) {
            let reason = format!("{hook} fails for most charge points: it {failure}");
            pipeline.end_failing_shadow(&self.shadow, &reason);
        }
    }
}
