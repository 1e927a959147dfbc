// Whether this browser may read. With API_TOKEN set, people show the token once and get a cookie.

class Session {
  /** False from the first answer that says so until the token was shown. */
  signedIn = $state(true);
  /** Whether there is anything to sign out of. */
  tokenNeeded = $state(false);
  /** Grows when somebody signs in: who holds data asks anew. */
  turn = $state(0);

  lost(): void {
    this.signedIn = false;
    this.tokenNeeded = true;
  }

  /** Learns whether a token is needed at all. */
  async look(): Promise<void> {
    try {
      const answer = await fetch("/api/v1/session");
      if (!answer.ok) return;
      const { token_needed, signed_in } = await answer.json();
      this.tokenNeeded = token_needed === true;
      this.signedIn = signed_in !== false;
    } catch {
      // whoever asks for data next tells what is wrong
    }
  }

  /** Shows the token. Gives what is wrong, in words; nothing where it was right. */
  async signIn(token: string): Promise<string | null> {
    try {
      const answer = await fetch("/api/v1/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token }),
      });
      if (answer.status === 401) return "This is not the token. It is the value of API_TOKEN where Pingu runs.";
      if (!answer.ok) return `Pingu answered with status ${answer.status}.`;
    } catch {
      return "Pingu cannot be reached.";
    }
    this.signedIn = true;
    this.tokenNeeded = true;
    this.turn += 1;
    return null;
  }

  async signOut(): Promise<void> {
    try {
      const answer = await fetch("/api/v1/session", { method: "DELETE" });
      if (answer.ok) this.lost();
    } catch {
      // the cookie still counts, and the banner says that Pingu is away
    }
  }
}

export const session = new Session();
