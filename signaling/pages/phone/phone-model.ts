/** Everything the phone's components share: made once in phone.tsx, handed down, never global. */
import { computed, signal } from "@preact/signals";
import type { Asked } from "./address";
import { forgetToken, rememberToken } from "./address";
import { Line } from "./line";
import { listMicrophones, type Device } from "../shared/microphone";
import { listAgents, type Agent } from "./switchboard";
import { Voices } from "./voices";

export class Phone {
  readonly agents = signal<readonly Agent[]>([]);
  /** The chosen agent's id; null leaves it to the switchboard. */
  readonly agent = signal<string | null>(null);
  readonly keypadOpen = signal(false);
  readonly microphones = signal<readonly Device[]>([]);
  readonly phoneQuality = signal(false);
  readonly line: Line;
  readonly voices: Voices;
  readonly debug: boolean;
  readonly agentName = computed(() => {
    const chosen = this.agents.value.find(({ id }) => id === this.agent.value);
    return chosen?.name ?? this.agent.value;
  });

  #ticket: string | null;
  #token: string | null;

  constructor(asked: Asked) {
    this.agent.value = asked.agent;
    this.debug = asked.debug;
    this.#ticket = asked.ticket;
    this.#token = asked.token;
    this.line = new Line({
      bearer: () => this.#ticket ?? this.#token,
      bearerUsed: (accepted) => this.#bearerUsed(accepted),
      agent: () => this.agent.value,
      phoneQuality: () => this.phoneQuality.value,
    });
    this.voices = new Voices(this.line);
    this.line.microphone.subscribe((stream) => {
      if (stream !== null) void this.findMicrophones(); // names are told from now on
    });
  }

  async findAgents(): Promise<void> {
    const agents = await listAgents(this.#token);
    if (agents === null || this.#ticket !== null) return; // a ticket knows its agent itself
    this.agents.value = agents;
    this.agent.value ??= agents[0]?.id ?? null;
  }

  async findMicrophones(): Promise<void> {
    this.microphones.value = await listMicrophones();
  }

  /** Signs in for this tab and calls. */
  signIn(token: string): void {
    this.#ticket = null;
    this.#token = token;
    rememberToken(token);
    void this.findAgents();
    void this.line.start();
  }

  /** A ticket is good for one answered call (a busy switchboard gives it back); after it comes the token. */
  #bearerUsed(accepted: boolean): void {
    if (!accepted && this.#ticket === null) {
      this.#token = null;
      forgetToken();
    }
    this.#ticket = null;
  }
}
