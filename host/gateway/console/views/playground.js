// What the gateway would make of a message: a message, a candidate, and the result while you type.
import { html, useEffect } from "../lib/ui.js";
import { programFault } from "../lib/faults.js";
import { useMe, usePoll } from "../lib/poll.js";
import { setQuery } from "../lib/router.js";
import { Failure, Page } from "../lib/widgets.js";
import { Actions } from "./playground/actions.js";
import { CandidatePane } from "./playground/candidate-pane.js";
import { MessagePane } from "./playground/message-pane.js";
import { ResultPane } from "./playground/result-pane.js";
import { candidateOf, draftOf, messageOf, usePlayground } from "./playground/state.js";
import { useTry } from "./playground/try.js";
import { transformPath } from "./transforms/changes.js";
import { editable } from "./transforms/version.js";

export default function Playground({ query }) {
  const { state: kept, typed, change } = usePlayground(query);
  const { may_change: mayChange } = useMe();
  const state = mayChange ? kept : { ...kept, candidate: "none" };
  // What was handed over is in the state now: reading the page again must not take back what is typed after that.
  useEffect(() => {
    if (query.from || query.transform) setQuery({ from: "", transform: "" });
  }, []);
  const list = usePoll("/api/v1/transforms", { every: 5000 });
  const transforms = list.data ?? [];
  const replaced = state.candidate.startsWith("in:") ? state.candidate.slice(3) : null;
  const isGone = replaced && list.data && !transforms.some(({ name }) => name === replaced);
  const details = usePoll(replaced && !isGone ? transformPath(replaced) : null, { every: 5000 });
  const live = replaced && details.data ? editable(details.data) : null;
  const edited = replaced && !live ? null : draftOf(state, live);

  const message = messageOf(state);
  const reading = isGone ? `${replaced} does not run any more: choose another candidate.` : "Reading the transform…";
  const asked = edited ? candidateOf(state, live) : { problem: details.error ? "Choose another candidate." : reading };
  const isReady = message.body && !asked.problem && (list.data || list.error);
  // Another version that is put in place is tried anew.
  const salt = transforms.map(({ sha256, program_sha256: program, upload }) => `${sha256}${program}${upload?.number}`).join();
  const body = isReady ? { ...message.body, ...(asked.candidate && { candidate: asked.candidate }) } : null;
  const tried = useTry(body, { typed, salt });
  // After the candidate: the gateway tries two messages at once, and others may be trying too.
  const now = useTry(body?.candidate && !tried.pending ? message.body : null, { salt });
  const marks = { program: programFault(tried.error?.message), settings: asked.mark };
  const isFaulty = Boolean(message.marks.frame || message.marks.attributes || marks.program || marks.settings);
  const refresh = () => (list.reload(), details.reload());

  return html`<${Page} title="Playground" subtitle="What the gateway would make of a message. Nothing is sent.">
    <${Failure} error=${list.error} retry=${list.reload} />
    <${Failure} error=${details.error} retry=${details.reload} />
    <div class="play">
      <${MessagePane} state=${state} change=${change} marks=${message.marks} />
      <${CandidatePane} state=${state} change=${change} transforms=${transforms} live=${live} edited=${edited} marks=${marks}>
        <${Actions} state=${state} change=${change} live=${live} details=${details.data} edited=${edited} asked=${asked}
          isReady=${!marks.program && !asked.problem} onDone=${refresh} />
      </${CandidatePane}>
      <${ResultPane} tried=${tried} now=${body?.candidate ? now : null} isFaulty=${isFaulty} show=${query.show}
        candidate=${body?.candidate?.name}
        problem=${message.problem ?? (asked.mark ? null : asked.problem)} />
    </div>
  </${Page}>`;
}
