// The first line of each view: its own question answered in words; pure.
//
// Whether all is well as a whole is the collector's to say (`truth`). Here each view only sums up
// what it shows below.
import type { BlindSpan, ErrorGroup, NameFigures, ScheduleAnswer, ScheduleItem, SubmissionsAnswer, SystemAnswer } from '../api/figures';
import { count, percent, plural, rate } from '../format/count';
import { duration, ticking } from '../format/duration';
import { lastEnd } from '../format/tick';
import type { Queue, TruthLevel, Worker } from '../live/types';

export interface Words {
  level: TruthLevel;
  text: string;
}

/** From here on a share of failing tasks is worth a colour. */
const FAILING = 0.05;
/** From so many on failures are a pattern. */
const TELLING = 3;
const LATE_SECONDS = 5;
const STALE_SECONDS = 900;
const MUTE_SECONDS = 60;

export function windowWords(minutes: number): string {
  if (minutes === 1) return 'the last minute';
  if (minutes < 60) return `the last ${minutes} min`;
  if (minutes === 60) return 'the last hour';
  if (minutes === 1440) return 'the last 24 h';
  return `the last ${minutes / 1440} d`;
}

export function namesWords(names: NameFigures[], minutes: number): Words {
  const span = windowWords(minutes);
  const ran = names.filter((name) => name.succeeded + name.failed > 0);
  if (names.length === 0) return { level: 'unknown', text: 'No task has been seen yet.' };
  if (ran.length === 0) return { level: 'unknown', text: `Nothing has finished in ${span}.` };
  const finished = ran.reduce((sum, name) => sum + name.succeeded + name.failed, 0);
  const failed = ran.reduce((sum, name) => sum + name.failed, 0);
  const said = `${plural(finished, 'task')} of ${plural(ran.length, 'name')} finished in ${span}`;
  if (failed === 0) return { level: 'ok', text: `${said}; none failed.` };
  // One failure of two says little: what fails often enough to tell comes first.
  const worst = [...ran]
    .filter((name) => name.failed > 0)
    .sort((a, b) => Number(b.failed >= TELLING) - Number(a.failed >= TELLING) || share(b) - share(a) || b.failed - a.failed)[0];
  if (worst === undefined || share(worst) < FAILING) {
    return { level: 'ok', text: `${said}; ${count(failed)} failed (${percent(failed / finished)}).` };
  }
  const others = ran.filter((name) => name.failed > 0 && name !== worst).length;
  const rest = others > 0 ? `; ${others === 1 ? 'one other name' : `${count(others)} others`} failed too` : '';
  return {
    level: share(worst) >= 0.5 && worst.failed >= TELLING ? 'bad' : 'warn',
    text: `${worst.name} fails ${percent(share(worst))} of the time: ${count(worst.failed)} of ${count(worst.succeeded + worst.failed)} in ${span}${rest}.`,
  };
}

export function nameWords(name: NameFigures, minutes: number): Words {
  const finished = name.succeeded + name.failed;
  const now = name.running + name.waiting > 0 ? ` ${count(name.running)} running, ${count(name.waiting)} waiting.` : '';
  if (finished === 0) return { level: 'unknown', text: `None has finished in ${windowWords(minutes)}.${now}` };
  const half = name.run?.[0] ?? null;
  const took = half === null ? '' : `, half of them ${half < 0.001 ? 'in less than 1 ms' : `in ${duration(half)} or less`}`;
  const head = `${count(finished)} finished in ${windowWords(minutes)}${took}`;
  if (name.failed === 0) return { level: 'ok', text: `${head}; none failed.${now}` };
  const failing = share(name);
  return {
    level: failing >= 0.5 ? 'bad' : failing >= FAILING ? 'warn' : 'ok',
    text: `${head}; ${count(name.failed)} failed (${percent(failing)}).${now}`,
  };
}

function share(name: NameFigures): number {
  const finished = name.succeeded + name.failed;
  return finished === 0 ? 0 : name.failed / finished;
}

export function workersWords(workers: Worker[], now: number): Words {
  if (workers.length === 0) return { level: 'unknown', text: 'No worker has been seen yet.' };
  const online = workers.filter((worker) => worker.status === 'online');
  const lost = workers.filter((worker) => worker.status === 'lost');
  const slots = online.reduce((sum, worker) => sum + worker.slots, 0);
  const active = online.reduce((sum, worker) => sum + worker.active, 0);
  const stuck = online.filter((worker) => (worker.stuck ?? 0) > 0);
  const busy = `${count(active)} of ${plural(slots, 'slot')} in use`;
  if (online.length === 0) return { level: 'bad', text: 'No worker is online: nothing is taken from any queue.' };
  const last = [...lost].sort((a, b) => (b.last_seen ?? 0) - (a.last_seen ?? 0))[0];
  if (last) {
    const silent = last.last_seen === null ? '' : ` since ${ticking(now - last.last_seen)}`;
    const more = lost.length > 1 ? ` and ${plural(lost.length - 1, 'other')}` : '';
    return { level: 'bad', text: `${last.name} is lost${silent}${more}; ${plural(online.length, 'worker')} online, ${busy}.` };
  }
  const first = stuck[0];
  if (first) {
    return {
      level: 'warn',
      text: `${first.name} has ${count(first.stuck)} of ${plural(first.slots, 'slot')} stuck in tasks that do not return; ${plural(online.length, 'worker')} online.`,
    };
  }
  const mute = online.filter((worker) => worker.silent);
  if (mute[0]) {
    const more = mute.length > 1 ? ` and ${plural(mute.length - 1, 'other')}` : '';
    return { level: 'warn', text: `${mute[0].name}${more} tell${mute.length > 1 ? '' : 's'} of no task that runs there; ${plural(online.length, 'worker')} online, ${busy}.` };
  }
  const full = active >= slots && slots > 0 ? ' All are busy.' : '';
  return { level: 'ok', text: `${plural(online.length, 'worker')} online, ${busy}.${full}` };
}

/** `umbel`, `celery`: which kind of worker it is; '' where it does not say. */
export function softwareOf(worker: Worker): string {
  return (worker.sw ?? '').split(' ')[0]?.replace(/^py-/, '') ?? '';
}

/** `celery 5.2.6`, as people call it. */
export function softwareText(worker: Worker): string {
  return worker.sw ? worker.sw.replace(/^py-/, '') : '–';
}

export function workerWords(worker: Worker, now: number): Words {
  if (worker.status === 'lost') {
    const held = softwareOf(worker) === 'umbel' ? 'is given to others' : 'may be lost, or is given to others';
    return { level: 'bad', text: `Lost: nothing heard for ${ticking(now - (worker.last_seen ?? now))}. What it had in hand ${held}.` };
  }
  if (worker.status === 'left') return { level: 'unknown', text: `Ended ${ticking(now - (worker.last_seen ?? now))} ago, and said so.` };
  if ((worker.stuck ?? 0) > 0) {
    return { level: 'warn', text: `${count(worker.stuck)} of ${plural(worker.slots, 'slot')} stuck until it is restarted; ${count(worker.active)} in use.` };
  }
  if (worker.twins) return { level: 'warn', text: 'Online twice: two processes use this name, and which of them has a task cannot be known.' };
  if (worker.silent) return { level: 'warn', text: 'Online, and runs tasks without telling of them: its events are off.' };
  if (worker.slots === 0) return { level: 'ok', text: worker.active === 0 ? 'Online and idle.' : `Online, ${plural(worker.active, 'task')} in hand.` };
  if (worker.active === 0) return { level: 'ok', text: `Online and idle: ${plural(worker.slots, 'slot')} free.` };
  return { level: 'ok', text: `Online, ${count(worker.active)} of ${plural(worker.slots, 'slot')} in use.` };
}

export function standsStill(queue: Queue): boolean {
  return queue.ready > 0 && (queue.consumers === 0 || (queue.stalled_since ?? null) !== null);
}

/** Why a queue does not move, in words; null where it does. */
export function whyStill(queue: Queue): string | null {
  if (queue.why) return queue.why;
  if (queue.ready > 0 && queue.consumers === 0) return 'no worker takes from it';
  return null;
}

export function queuesWords(queues: Queue[], now: number): Words {
  if (queues.length === 0) return { level: 'unknown', text: 'No queue exists yet.' };
  const still = queues.filter(standsStill).sort((a, b) => (b.oldest_age ?? 0) - (a.oldest_age ?? 0));
  const first = still[0];
  const ready = queues.reduce((sum, queue) => sum + queue.ready, 0);
  if (first) {
    const more = still.length > 1 ? ` ${plural(still.length - 1, 'other queue')} stand${still.length === 2 ? 's' : ''} still too.` : '';
    return { level: 'bad', text: `Queue ${first.name} ${stillWords(first, now)}${more}` };
  }
  const unattended = queues.filter((queue) => queue.consumers === 0 && queue.ready + (queue.delayed ?? 0) > 0)[0];
  if (unattended) return { level: 'warn', text: `No worker takes from ${unattended.name}; ${count(unattended.ready + (unattended.delayed ?? 0))} lie in it.` };
  if (ready === 0) return { level: 'ok', text: `Nothing waits in ${plural(queues.length, 'queue')}.` };
  const ages = queues.map((queue) => queue.oldest_age).filter((age) => age !== null);
  const oldest = ages.length === 0 ? null : Math.max(0, ...ages);
  return { level: 'ok', text: `${plural(ready, 'task')} wait${ready === 1 ? 's' : ''} in ${plural(queues.filter((queue) => queue.ready > 0).length, 'queue')}${oldest === null ? '; ' : ', '}${oldestWords(oldest)}all move.` };
}

/** Nothing where the broker does not tell how long anything has waited. */
function oldestWords(seconds: number | null): string {
  return seconds === null ? '' : `the oldest for ${aged(seconds)}; `;
}

function aged(seconds: number | null): string {
  return seconds !== null && seconds < 1 ? 'less than a second' : ticking(seconds);
}

function stillWords(queue: Queue, now: number): string {
  const since = queue.stalled_since ?? (queue.oldest_age === null ? null : now - queue.oldest_age);
  const time = since === null ? 'stands still' : `has stood still for ${ticking(now - since)}`;
  const why = whyStill(queue);
  return why === null ? `${time}.` : `${time}: ${why}.`;
}

export function queueWords(queue: Queue, now: number): Words {
  if (standsStill(queue)) return { level: 'bad', text: capital(`${stillWords(queue, now)} ${plural(queue.ready, 'task')} wait${queue.ready === 1 ? 's' : ''}.`) };
  if (queue.consumers === 0) return { level: 'warn', text: 'Empty, and no worker takes from it.' };
  if (queue.ready === 0) return { level: 'ok', text: `Nothing waits; ${plural(queue.consumers, 'worker takes', 'workers take')} from it.` };
  const drains = queue.drain_seconds ?? null;
  const end = drains === null ? '' : `; at this pace it is empty in ${duration(Math.max(1, Math.round(drains)))}`;
  const grows = (queue.in_rate ?? 0) > (queue.out_rate ?? 0) * 1.05 && queue.ready > 10 ? '; more comes in than goes out' : end;
  return { level: 'ok', text: `${plural(queue.ready, 'task')} wait${queue.ready === 1 ? 's' : ''}${queue.oldest_age === null ? '' : `, the oldest for ${aged(queue.oldest_age)}`}${grows}.` };
}

/** How far back kinds of failure can be counted. */
export const ERROR_WINDOWS = [
  { value: 60, text: '1 h' },
  { value: 1440, text: '24 h' },
  { value: 10_080, text: '7 d' },
] as const;

export function errorsWords(groups: ErrorGroup[], minutes: number): Words {
  const span = windowWords(minutes);
  if (groups.length === 0) return { level: 'ok', text: `No task has failed in ${span}.` };
  const fresh = groups.filter((group) => group.new).sort((a, b) => b.count - a.count);
  const total = groups.reduce((sum, group) => sum + group.count, 0);
  const first = fresh[0];
  if (first) {
    const where = first.names[0]?.name ? ` in ${first.names[0].name}` : '';
    const known = groups.length - fresh.length;
    const rest = known > 0 ? ` ${capital(plural(known, 'kind'))} known before.` : '';
    const others = fresh.length > 1 ? `, and ${plural(fresh.length - 1, 'other')}` : '';
    return { level: 'bad', text: `New since an hour ago: ${first.type}${where}, ${times(first.count)}${others}.${rest}` };
  }
  const most = [...groups].sort((a, b) => b.count - a.count)[0];
  return {
    level: 'warn',
    text: `${plural(total, 'failure')} of ${plural(groups.length, 'kind')} in ${span}, none of them new${most && groups.length > 1 ? `; most often ${most.type}, ${times(most.count)}` : ''}.`,
  };
}

export function times(value: number): string {
  return value === 1 ? 'once' : value === 2 ? 'twice' : `${count(value)} times`;
}

export function scheduleWords(answer: ScheduleAnswer, now: number): Words {
  const { entries, scheduler } = answer;
  if (answer.error) return { level: 'bad', text: 'The schedule\'s file has an error; the one read before is in force.' };
  if (entries.length === 0) return { level: 'unknown', text: 'Nothing is scheduled.' };
  if (scheduler.last_seen === null) return { level: 'bad', text: `No scheduler has been seen: ${plural(entries.length, 'entry waits', 'entries wait')} for one.` };
  const silent = now - scheduler.last_seen;
  if (silent > MUTE_SECONDS) return { level: 'bad', text: `No scheduler runs: the last was seen ${ticking(silent)} ago. Nothing fires until one is back.` };
  const paused = entries.filter((entry) => entry.paused !== null);
  const failing = entries.filter((entry) => lastEnd(entry).kind === 'failed');
  const missed = entries.filter((entry) => entry.strip?.cells.some((cell) => cell.missed > 0));
  const upcoming = entries
    .filter((entry) => entry.paused === null)
    .map((entry) => ({ entry, at: entry.next.find((next) => next > now) }))
    .filter((each): each is { entry: (typeof entries)[number]; at: number } => each.at !== undefined)
    .sort((a, b) => a.at - b.at)[0];
  const next = upcoming ? ` Next: ${upcoming.entry.name} in ${ticking(upcoming.at - now)}.` : '';
  const pausedText = paused.length > 0 ? `, ${count(paused.length)} paused` : '';
  const head = `${plural(entries.length, 'entry', 'entries')}${pausedText}`;
  if (failing[0]) {
    const more = failing.length > 1 ? ` and ${plural(failing.length - 1, 'other')}` : '';
    return { level: 'warn', text: `The last run of ${failing[0].name}${more} failed.${next}` };
  }
  if (missed[0]) return { level: 'warn', text: `${head}; ${missed.length === 1 ? missed[0].name : plural(missed.length, 'entry', 'entries')} missed ticks in the last 24 h.${next}` };
  const broken = entries.map((entry) => ({ entry, failed: lately(entry) })).filter((each) => each.failed > 0).sort((a, b) => b.failed - a.failed);
  const worst = broken[0];
  if (worst) {
    const more = broken.length > 1 ? `; ${broken.length === 2 ? '1 other entry has' : `${broken.length - 1} other entries have`} failures too` : '';
    return { level: 'warn', text: `${head}, all on time; ${plural(worst.failed, 'task')} of ${worst.entry.name} failed lately${more}.${next}` };
  }
  return { level: 'ok', text: `${head}, all on time.${next}` };
}

/** How many tasks of an entry failed in this half-hour and the one before. */
function lately(entry: ScheduleItem): number {
  return entry.strip?.cells.slice(-2).reduce((sum, cell) => sum + (cell?.failed ?? 0), 0) ?? 0;
}

export function submissionsWords(answer: SubmissionsAnswer, minutes: number): Words {
  if (answer.subreddits.length === 0 && answer.latest.length === 0) return { level: 'unknown', text: 'No submission has been fetched yet.' };
  const last = Math.max(0, ...answer.subreddits.map((each) => each.last_fetched ?? 0), ...answer.latest.map((each) => each.fetched ?? 0));
  const fetched = answer.subreddits.reduce((sum, each) => sum + each.fetched, 0);
  const failed = answer.fetch?.failed ?? answer.subreddits.reduce((sum, each) => sum + (each.failed ?? 0), 0);
  const age = answer.now - last;
  const from = plural(answer.subreddits.length, 'subreddit');
  if (last > 0 && age > STALE_SECONDS) return { level: 'warn', text: `Stale: the last submission was fetched ${ticking(age)} ago.` };
  const lost = failed > 0 ? `; ${count(failed)} could not be fetched` : '';
  return {
    level: failed > 0 && failed >= fetched * FAILING ? 'warn' : 'ok',
    text: `${plural(fetched, 'submission')} from ${from} fetched in ${windowWords(minutes)}${last > 0 ? `, the latest ${ticking(age)} ago` : ''}${lost}.`,
  };
}

export function systemWords(answer: SystemAnswer): Words {
  const { events } = answer;
  const parts: string[] = [];
  if (events.missed > 0) parts.push(`${plural(events.missed, 'event')} missed`);
  if (events.cut_batches > 0) parts.push(`${plural(events.cut_batches, 'batch', 'batches')} cut off`);
  const dark = blindSeconds(answer.blind, answer.now - 86_400, answer.now);
  if (dark >= 1) parts.push(`not everything was seen for ${duration(dark)} of the last 24 h`);
  if ((events.lag_seconds ?? 0) > LATE_SECONDS) return { level: 'warn', text: `The monitor is behind by ${duration(events.lag_seconds)}${parts.length > 0 ? `; ${parts.join(', ')}` : ''}.` };
  if (events.lag_seconds === null) return { level: 'unknown', text: `No event has been seen yet${parts.length > 0 ? `; ${parts.join(', ')}` : ''}.` };
  const head = `The monitor keeps up: ${duration(events.lag_seconds)} behind, ${rate(events.per_second)} events/s`;
  return parts.length > 0 ? { level: 'warn', text: `${head}. ${capital(parts.join(', '))}.` } : { level: 'ok', text: `${head}, nothing missed.` };
}

/** Seconds of [from, to) in which something was lost for good; overlapping spans count once. */
export function blindSeconds(blind: BlindSpan[], from: number, to: number): number {
  const spans = blind
    .filter((span) => span.lost_for_good !== false)
    .map((span): [number, number] => [Math.max(from, span.from), Math.min(to, span.to)])
    .filter(([begin, end]) => end > begin)
    .sort((a, b) => a[0] - b[0]);
  let sum = 0;
  let reached = from;
  for (const [begin, end] of spans) {
    sum += Math.max(0, end - Math.max(begin, reached));
    reached = Math.max(reached, end);
  }
  return sum;
}

const REASONS: Readonly<Record<string, string>> = {
  cut: 'the broker cut batches off',
  gap: 'events of a worker are missing',
  outage: 'the broker did not answer',
  behind: 'the monitor was behind',
  stopped: 'the monitor did not run',
};

export function blindWords(span: BlindSpan): string {
  const reason = span.reason === 'cut' && !span.lost ? 'the broker may have cut batches off' : REASONS[span.reason] ?? span.reason;
  if (span.lost_for_good === false) return `${reason}; what was kept was read afterwards`;
  const lost = span.lost ? `, ${span.reason === 'cut' ? plural(span.lost, 'batch', 'batches') : plural(span.lost, 'event')} lost` : '';
  return `${reason}${lost}`;
}

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `12.4 MB`, by thousands. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < BYTES.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${Number(size.toFixed(unit === 0 || size >= 99.95 ? 0 : 1))} ${BYTES[unit]}`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A parameter as its worker told it: `x`, or `{name, required, default}`. */
export function parameterWords(parameter: unknown): string {
  if (typeof parameter === 'string') return parameter;
  if (typeof parameter !== 'object' || parameter === null) return String(parameter);
  const told = parameter as { name?: unknown; required?: unknown; default?: unknown; type?: unknown };
  if (typeof told.name !== 'string') return JSON.stringify(parameter);
  const type = typeof told.type === 'string' && told.type !== '' ? `: ${told.type}` : '';
  if (told.default !== undefined && told.default !== null) return `${told.name}${type} = ${JSON.stringify(told.default)}`;
  return told.required === false ? `${told.name}${type} (optional)` : `${told.name}${type}`;
}

export function entryWords(entry: ScheduleItem, now: number): Words {
  const when = capital(entry.words || entry.expression);
  if (entry.paused) return { level: 'unknown', text: `Paused for ${ticking(now - entry.paused.since)}: ${entry.paused.reason}. ${when} otherwise.` };
  const next = entry.next.find((at) => at > now);
  const soon = next === undefined ? 'never again' : next - now < 1 ? 'next at once' : `next in ${ticking(next - now)}`;
  if (lastEnd(entry).kind === 'failed') return { level: 'warn', text: `${when}; ${soon}. Its last run failed.` };
  const missed = entry.strip?.cells.reduce((sum, cell) => sum + cell.missed, 0) ?? 0;
  if (missed > 0) return { level: 'warn', text: `${when}; ${soon}. ${capital(plural(missed, 'tick'))} missed in the last 24 h.` };
  const failed = entry.strip?.cells.reduce((sum, cell) => sum + cell.failed, 0) ?? 0;
  return { level: 'ok', text: `${when}; ${soon}.${failed > 0 ? ` ${capital(plural(failed, 'tick'))} failed in the last 24 h.` : ''}` };
}

export function errorWords(group: ErrorGroup, minutes: number, now: number): Words {
  const where = group.names.length === 1 && group.names[0]?.name ? ` in ${group.names[0].name}` : group.names.length > 1 ? ` in ${plural(group.names.length, 'name')}` : '';
  const last = ticking(now - group.last_seen);
  if (group.new) return { level: 'bad', text: `New: ${group.type}${where}, ${times(group.count)} since ${ticking(now - group.first_seen)} ago; the last ${last} ago.` };
  return { level: 'warn', text: `${group.type}${where}: ${times(group.count)} in ${windowWords(minutes)}, the last ${last} ago.` };
}
