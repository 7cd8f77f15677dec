// What a view is called where its address says it badly: an error's fingerprint tells nobody anything.
import { router } from '../router/router.svelte';

class Heading {
  #of = $state('');
  #text = $state('');

  /** For the view at this address, until another one is shown. */
  set(text: string): void {
    this.#of = router.path;
    this.#text = text;
  }
  get text(): string | null {
    return this.#of === router.path && this.#text !== '' ? this.#text : null;
  }
}

export const heading = new Heading();
