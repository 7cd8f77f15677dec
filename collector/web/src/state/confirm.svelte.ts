// Asks once before what cannot be undone.

export interface Question {
  /** "Retry 12 tasks?" */
  title: string;
  /** What will happen, in a sentence. */
  text: string;
  /** A few of what it concerns. */
  sample?: string[];
  /** How many there are beyond the sample. */
  more?: number;
  /** What the button says: "Retry 12 tasks". */
  verb: string;
  danger?: boolean;
  /** What has to be typed first. */
  typed?: string;
}

class Confirmation {
  question = $state.raw<Question | null>(null);
  #answer: ((yes: boolean) => void) | null = null;

  /** Resolves to whether it was agreed to. A question before that is still open is answered no. */
  ask(question: Question): Promise<boolean> {
    this.answer(false);
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.question = question;
    });
  }

  answer(yes: boolean): void {
    const answer = this.#answer;
    this.#answer = null;
    this.question = null;
    answer?.(yes);
  }
}

export const confirmation = new Confirmation();
