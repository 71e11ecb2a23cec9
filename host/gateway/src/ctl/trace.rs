//! What transforms made of a message, as lines of text.

use crate::recording::{LogLine, MqttMessage, Step, StepAction, StepInput};

/// What became of a message.
#[derive(Debug)]
pub(super) struct TraceLines<'a> {
    pub(super) steps: &'a [Step],
    pub(super) published: &'a [MqttMessage],
    pub(super) sent: &'a [String],
    pub(super) answer: Option<&'a StepAction>,
    pub(super) not_mapped: Option<&'a str>,
    pub(super) incidents: &'a [String],
}

impl TraceLines<'_> {
    /// Each step with its actions, and then the results. The lines are not escaped.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let Step { transform, hook, time_us, .. } = step;
            lines.push(format!("{}. {transform}, {hook}, {time_us:.0} µs", place + 1));
            lines.push(format!("   in    {}", content(&step.input)));
            lines.extend(step.actions.iter().map(|action| format!("   out   {}", shown(action))));
            lines.extend(step.failure.iter().map(|failure| format!("   FAILS {failure}")));
            lines.extend(step.log.iter().map(|LogLine { level, text }| format!("   log   {level} {text}")));
        }
        lines.extend(self.published.iter().map(|published| format!("published  {}", message(published))));
        lines.extend(self.sent.iter().map(|frame| format!("sent       {frame}")));
        lines.extend(self.answer.iter().map(|answer| format!("answered   {}", shown(answer))));
        lines.extend(self.problems());
        lines
    }

    /// Why the message, or a part of it, did not go on.
    pub(super) fn problems(&self) -> Vec<String> {
        let not_mapped = self.not_mapped.iter().map(|reason| format!("not mapped {reason}"));
        not_mapped.chain(self.incidents.iter().map(|incident| format!("incident   {incident}"))).collect()
    }
}

pub(super) fn content(input: &StepInput) -> String {
    match input {
        StepInput::Frame(text) | StepInput::Event(text) => text.clone(),
        StepInput::Message(input) => message(input),
    }
}

fn message(message: &MqttMessage) -> String {
    format!("{}  {}", message.topic, message.payload.as_deref().unwrap_or("(no text)"))
}

pub(super) fn shown(action: &StepAction) -> String {
    match action {
        StepAction::Pass => "pass".to_owned(),
        StepAction::Message { content: replacement } => content(replacement),
        StepAction::Publish { message: beside } => format!("publish  {}", message(beside)),
        StepAction::Reply { payload } => format!("reply  {payload}"),
        StepAction::Reject { code, description, .. } => format!("reject  {code}: {description}"),
        StepAction::Drop { reason } => format!("drop  {reason}"),
        StepAction::Subscribe { filter, qos } => format!("subscribe  {filter}, QoS {qos}"),
    }
}
