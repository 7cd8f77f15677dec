// Where the page is: the address bar, followed and led.
//
// Links are plain `<a href="/…">`; `follow` turns a click on one into a step of the history.
import { withQuery } from './path';

interface EntryState {
  scroll?: number;
}

class Router {
  /** The address shown. */
  url = $state.raw(new URL(location.href));
  /** Where to scroll once the view at `url` stands; null: leave it. */
  scrollTo: number | null = null;

  constructor() {
    history.scrollRestoration = 'manual';
    addEventListener('popstate', () => {
      this.scrollTo = (history.state as EntryState | null)?.scroll ?? 0;
      this.url = new URL(location.href);
    });
  }

  get path(): string {
    return this.url.pathname;
  }

  get query(): URLSearchParams {
    return this.url.searchParams;
  }

  /** Goes to a path with its query; `replace` leaves no step behind to go back to. */
  go(to: string, { replace = false }: { replace?: boolean } = {}): void {
    const next = new URL(to, location.href);
    const samePath = next.pathname === location.pathname;
    if (next.href === location.href) return;
    if (replace) {
      history.replaceState(history.state, '', next);
    } else {
      history.replaceState({ scroll: scrollY } satisfies EntryState, '');
      history.pushState({}, '', next);
    }
    this.scrollTo = samePath ? null : 0;
    this.url = next;
  }

  /** Changes parts of the query and leaves the rest; null or '' takes one out. */
  set(changes: Readonly<Record<string, string | null>>, options: { replace?: boolean } = { replace: true }): void {
    this.go(`${this.path}${withQuery(this.query, changes)}`, options);
  }

  /** For a click anywhere in the document: takes plain clicks on links of this page. */
  follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href]') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download')) return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || to.pathname.startsWith('/api/') || to.pathname.startsWith('/metrics')) return;
    if (to.pathname === location.pathname && to.hash !== '') return;
    event.preventDefault();
    const beside = link.dataset.beside;
    if (beside !== undefined) this.set({ task: beside }, { replace: this.query.has('task') });
    else this.go(link.getAttribute('href') ?? '/');
  }
}

export const router = new Router();
