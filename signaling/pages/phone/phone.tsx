/** /phone: a telephone in the browser. This file puts the parts on the page; each part is in its own file. */
import "../shared/theme.css";
import "../shared/transcript.css";
import "./phone.css";
import { render } from "preact";
import { useId } from "preact/hooks";
import { startAppearance } from "../shared/appearance";
import { Header } from "../shared/header";
import { language, startLanguage } from "../shared/i18n";
import { readAddress } from "./address";
import { isUp } from "./call";
import { Controls } from "./controls";
import { DebugView } from "./debug-view";
import { Ends } from "./ends";
import { Keypad } from "./keypad";
import { listenToKeys } from "./keys";
import { Notices } from "./notices";
import { Phone } from "./phone-model";
import { SoundSettings } from "./sound-settings";
import { Status } from "./status";
import { TranscriptView } from "./transcript-view";
import { TroubleCard } from "./trouble-card";
import { words } from "./words";

function Page({ phone }: { phone: Phone }) {
  const w = words();
  const call = phone.line.call.value;
  return (
    <>
      <Header words={w} />
      <main id="main" class="phone-page" tabIndex={-1}>
        <section class="card phone" data-state={call.at} aria-labelledby="phone-title">
          <h1 id="phone-title">{phone.agentName.value ?? w.title}</h1>
          <Status phone={phone} />
          <Ends phone={phone} />
          {call.at === "failed" && <TroubleCard key={call} phone={phone} trouble={call.trouble} />}
          {!isUp(call) && call.at !== "failed" && <AgentPicker phone={phone} />}
          <Notices phone={phone} />
          <Keypad phone={phone} />
          <Controls phone={phone} />
          <SoundSettings phone={phone} />
        </section>
        <TranscriptView phone={phone} />
        {phone.debug && <DebugView phone={phone} />}
      </main>
    </>
  );
}

function AgentPicker({ phone }: { phone: Phone }) {
  const w = words();
  const id = useId();
  const agents = phone.agents.value;
  if (agents.length < 2) return null;
  return (
    <div class="field">
      <label for={id}>{w.agentPicker}</label>
      <select id={id} value={phone.agent.value ?? ""} onChange={(event) => (phone.agent.value = event.currentTarget.value)}>
        {/* The address may name one that is not on the list: keep it, and let the call say so. */}
        {!agents.some((agent) => agent.id === phone.agent.value) && (
          <option value={phone.agent.value ?? ""}>{phone.agent.value}</option>
        )}
        {agents.map((agent) => (
          <option key={agent.id} value={agent.id}>
            {agent.language === null ? agent.name : w.agentLanguage(agent.name, languageName(agent.language))}
          </option>
        ))}
      </select>
    </div>
  );
}

/** "ja" → "Japanese", in the page's own language; the code itself where nobody knows it. */
function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([language.value], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // not a language tag at all
  }
}

const phone = new Phone(readAddress());
startLanguage();
startAppearance();
listenToKeys(phone);
phone.line.speaker.hidden = true;
document.body.append(phone.line.speaker);
render(<Page phone={phone} />, document.getElementById("page") as HTMLElement);
void phone.findAgents();
void phone.line.resume();
