import { allHandlersFinished, condition, setHandler, workflowInfo } from '@temporalio/workflow';
import { ApprovalDesk, howToVote } from './approval.js';
import type { ApprovalDigests, GateEvaluation, GateInput, GateResult, WaitingFor } from './contracts/index.js';
import { timeText } from './domain/times.js';
import { getRunStatus, releaseReported } from './messages.js';
import { analysis } from './proxies.js';
import { tellGovernor } from './tell-governor.js';
import { phaseReporter, showDetails } from './visibility.js';

/** Decides whether a version may meet real traffic: checks on the same rows as the champion, then people where asked. */
export async function validationGate(input: GateInput): Promise<GateResult> {
  const { spec, version } = input;
  const desk = new ApprovalDesk();
  desk.listen();
  let sentence = 'comparing candidate and champion';
  let waitingFor: WaitingFor | null = null;
  const report = phaseReporter('gate');
  setHandler(
    getRunStatus,
    () => ({
      v: 1,
      phase: waitingFor === null ? 'gate' : 'awaitingApproval',
      sentence,
      waitingFor,
      candidate: version.version,
    }),
    {
      description: 'Phase, one sentence, and what is waited for.',
    }
  );

  const evaluation = await analysis(input.installation.limits, `gate for ${version.version}`).evaluateGate(input);
  sentence = `${evaluation.verdict}: ${evaluation.reasons[0] ?? ''}`;
  report('gate', { verdict: evaluation.verdict });
  show(input, evaluation, sentence);

  const policy = spec.gate.approval;
  if (evaluation.verdict !== 'pass' || policy === null) return { ...evaluation, approval: null };

  const digests: ApprovalDigests = {
    model: version.artifact.digest,
    evidence: evaluation.evidenceDigest,
    policy: input.policyDigest,
  };
  desk.begin(digests, policy, input.requestedBy);
  const until = Date.now() + policy.expiresMs;
  const untilText = timeText(until, Date.now());
  waitingFor = {
    workflowId: workflowInfo().workflowId,
    what: `${policy.quorum} approval${policy.quorum === 1 ? '' : 's'} of ${version.version}${policy.from.length === 0 ? '' : ` by ${policy.from.join(', ')}`}`,
    until: new Date(until).toISOString(),
    digests,
  };
  sentence = `waits for ${waitingFor.what} until ${untilText}`;
  report('awaitingApproval');
  show(input, evaluation, sentence, waitingFor);
  await tellGovernor(spec.model, releaseReported, { runId: input.releaseId, phase: 'awaitingApproval', waitingFor });
  const approval = await desk.wait(`approval of ${version.version} until ${untilText}`);
  waitingFor = null;
  sentence = `${approval.decision} by ${approval.by.map(({ actor }) => actor).join(', ') || 'nobody'}`;
  report('gate');
  show(input, evaluation, sentence);
  await condition(allHandlersFinished);
  return { ...evaluation, approval };
}

function show(input: GateInput, evaluation: GateEvaluation, title: string, waitingFor?: WaitingFor): void {
  showDetails({
    title,
    facts: [
      ['candidate', input.version.version],
      ['champion', input.champion ?? 'none'],
      ...evaluation.checks
        .slice(0, 20)
        .map((check): [string, string] => [check.name, `${check.verdict}: ${check.reason}`]),
      ['evidence', evaluation.evidence],
    ],
    reasons: evaluation.reasons,
    can: waitingFor === undefined ? '' : howToVote(waitingFor.digests),
  });
}
